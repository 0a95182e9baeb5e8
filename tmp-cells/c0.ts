import { add, gradients, initBackend, meanSquaredError, multiply, subtract, tensor } from "separable";

await initBackend(["reference"]);
const x = tensor([0, 1, 2, 3]);
const target = tensor([1, 3, 5, 7]);

let [w, b] = [tensor(0), tensor(0)];
for (let step = 0; step <= 200; step++) {
  const loss = meanSquaredError(add(multiply(w, x), b), target);
  const [dw, db] = gradients(loss, [w, b]);
  if (step % 50 === 0) console.log(step, (await loss.item()).toFixed(5), (await w.item()).toFixed(3), (await b.item()).toFixed(3));
  w = subtract(w, multiply(dw!, 0.1));
  b = subtract(b, multiply(db!, 0.1));
}

export {};
