/**
 * 6. Two spirals and a multilayer perceptron.
 *
 * No line divides two spirals. A network with one hidden layer of 32 units does. The program trains it, and draws what it has learned as
 * characters: `#` and `.` are the two classes, and the points of the spirals are `A` and `B`.
 *
 * Run: npx tsx examples/06-two-spirals.ts
 */

import * as s from "separable";

await s.initBackend(["wasm", "reference"]);
const perClass = 100;
const points: [number, number][] = [];
const labels: number[] = [];
for (const label of [0, 1])
  for (let i = 0; i < perClass; i++) {
    const [radius, angle] = [0.15 + (0.85 * i) / perClass, (3.5 * Math.PI * i) / perClass + label * Math.PI];
    points.push([radius * Math.cos(angle), radius * Math.sin(angle)]);
    labels.push(label);
  }
const x = s.tensor(points);

const build: s.Build = { random: new s.Random(1) };
const network = new s.Sequential(new s.Linear(2, 32, build), s.ReLU(), new s.Linear(32, 32, build), s.ReLU(), new s.Linear(32, 2, build));
console.log(`${network.parameterCount()} parameters`);
const optimizer = new s.Adam([{ parameters: network.parameters() }]);

for (let step = 1; step <= 400; step++) {
  const loss = s.scope(() => {
    const loss = s.crossEntropy(network.forward(x, { training: true }), labels);
    optimizer.step(s.gradients(loss, optimizer.values), 0.01);
    return loss;
  });
  if (step % 100 === 0) console.log(`step ${step}: loss ${(await loss.item()).toFixed(3)}`);
  loss.dispose();
}

/** The class of each point. */
const classesOf = (places: readonly (readonly [number, number])[]) =>
  s.noGrad(() => s.argmax(network.forward(s.tensor(places), { training: false }))).data();
const predicted = await classesOf(points);
const correct = labels.filter((label, i) => label === predicted[i]).length;
console.log(`${correct} of ${labels.length} points are classified correctly`);

const [rows, columns] = [21, 42];
const place = (index: number, size: number) => (2.2 * index) / (size - 1) - 1.1;
const grid = Array.from({ length: rows * columns }, (_, at): [number, number] => [
  place(at % columns, columns),
  place(Math.floor(at / columns), rows),
]);
const picture: string[] = Array.from(await classesOf(grid), (label) => (label === 0 ? "#" : "."));
for (const [i, [px, py]] of points.entries()) {
  const cell = (value: number, size: number) => Math.round(((value + 1.1) / 2.2) * (size - 1));
  picture[cell(py, rows) * columns + cell(px, columns)] = "AB"[labels[i]!]!;
}
for (let row = 0; row < rows; row++) console.log(picture.slice(row * columns, (row + 1) * columns).join(""));
