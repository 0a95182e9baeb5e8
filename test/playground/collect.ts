/** Runs sessions of the playground without a page. */

import type { Report, Request } from "../../src/playground/messages.ts";
import { Session, type SessionOptions } from "../../src/playground/session.ts";
import { defaultSettings, type PlaygroundSettings } from "../../src/playground/settings.ts";

/** Two runs of four steps on tiny sets, on one thread. */
export const tinySettings: PlaygroundSettings = {
  ...defaultSettings,
  ...{ train: 32, test: 16, batch: 16, epochs: 2, b: "Monarch_4", threads: 1, simd: "baseline" },
};

export type ReportOf<Kind extends Report["kind"]> = Extract<Report, { readonly kind: Kind }>;

/** A session, and everything that it reports. */
export class Collected {
  readonly reports: Report[] = [];
  readonly session: Session;

  /**
   * @param onReport Called with each report, while the session works.
   * @param options Options of the session. Default: there are no graphics devices.
   */
  constructor(onReport: (report: Report, session: Session) => void = () => {}, options: Pick<SessionOptions, "loadDevices"> = {}) {
    this.session = new Session({
      ...options,
      version: "0.0.0",
      post: (report) => {
        this.reports.push(report);
        onReport(report, this.session);
      },
      fetchCifar: () => Promise.reject(new Error("no CIFAR here")),
    });
  }

  /** Sends requests, one after the other, and waits until the session rests. */
  async send(...requests: readonly Request[]): Promise<this> {
    await Promise.all(requests.map((request) => this.session.receive(request)));
    return this;
  }

  of<Kind extends Report["kind"]>(kind: Kind): ReportOf<Kind>[] {
    return this.reports.filter((report): report is ReportOf<Kind> => report.kind === kind);
  }

  /** The losses of a run, step by step. */
  losses(run: "a" | "b"): number[] {
    return this.of("step").flatMap((step) => (step.run === run ? [step.loss] : []));
  }
}
