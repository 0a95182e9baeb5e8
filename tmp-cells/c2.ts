import { initBackend, jvp, multiply, tensor } from "separable";

await initBackend(["reference"]);
const x = tensor([1, 2, 3]);
const direction = tensor([1, 0, 0.5]);
const [y, change] = jvp((x) => multiply(x, x), x, direction);
console.log(y);
console.log(change); // 2·x·direction

export {};
