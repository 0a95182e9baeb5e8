/** The networks of the miniature, each with what it reached alone and with a teacher. */

import { type Configuration, configurationsOf } from "../../src/report/configurations.ts";
import { paretoFront } from "../../src/report/pareto-front.ts";
import type { ReportRun } from "../../src/report/report-run.ts";

export interface Student {
  /** The configuration that has the costs and the names. They do not depend on the teacher. */
  readonly network: Configuration;
  readonly alone: Configuration | undefined;
  readonly taught: Configuration | undefined;
}

/** One student for each network and convolution, the largest first. */
export function studentsOf(runs: readonly ReportRun[]): Student[] {
  const configurations = configurationsOf(runs);
  const nameOf = ({ network, convolution }: Configuration): string => `${network} ${convolution}`;
  return [...new Set(configurations.map(nameOf))]
    .map((name) => {
      const own = configurations.filter((each) => nameOf(each) === name);
      const alone = own.find(({ teacher }) => teacher === undefined);
      return { network: own[0]!, alone, taught: own.find((each) => each !== alone) };
    })
    .sort((a, b) => b.network.parameters - a.network.parameters);
}

/** The students with a point on the front of error against parameters, alone or taught, the largest first. */
export function frontOf(students: readonly Student[]): Student[] {
  const points = students.flatMap((student) =>
    [student.alone, student.taught]
      .filter((each) => each !== undefined)
      .map(({ error, parameters }) => ({ cost: parameters, error: error.mean, student })),
  );
  const front = new Set(paretoFront(points).map(({ student }) => student));
  return students.filter((student) => front.has(student));
}
