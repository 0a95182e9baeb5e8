/**
 * 7. Einstein summation, and why the order matters.
 *
 * An equation such as `ij,jk->ik` names the axes of the operands and of the result. An axis that the result does not have is summed over.
 * Most tensor algebra is one such line. With three operands or more, the order of the products decides the cost.
 *
 * Run: npx tsx examples/07-einsum.ts
 */

import * as s from "separable";

await s.initBackend(["reference"]);
const random = new s.Random(0);
const normal = (...shape: number[]) => s.normal(shape, random, { dtype: "float64" });
const distance = async (a: s.Tensor, b: s.Tensor) => {
  const [left, right] = [await a.data(), await b.data()];
  return Math.max(...Array.from(left, (value, i) => Math.abs(value - right[i]!))).toExponential(1);
};

const [a, b, v] = [normal(3, 4), normal(4, 5), normal(3)];
console.log("ij,jk->ik  product of matrices, apart from matmul by", await distance(s.einsum("ij,jk->ik", a, b), s.matmul(a, b)));
console.log("ij->ji     transpose:", s.einsum("ij->ji", a).shape.join("×"));
console.log("ij->i      sum of each row:", s.einsum("ij->i", a).shape.join("×"));
console.log(
  "ii->       trace of V·Vᵀ is ‖v‖², apart by",
  await distance(s.einsum("ii->", s.einsum("i,j->ij", v, v)), s.einsum("i,i->", v, v)),
);
console.log("nij,njk->nik  five products at once:", s.einsum("nij,njk->nik", normal(5, 2, 3), normal(5, 3, 4)).shape.join("×"));

// A tensor train of three cores, summed to a matrix [16,16·16]. Each bond r, q is an axis that two cores share.
const [n, rank] = [16, 4];
const cores = [normal(n, rank), normal(rank, n, rank), normal(rank, n)] as const;
const train = "ir,rjq,qk->ijk";
console.log(`${train}  a tensor train of ${n}×${n}×${n}:`, s.einsum(train, ...cores).shape.join("×"));

// (A·B)·x or A·(B·x): the numbers are the same, and the cost is not. `einsum` chooses the cheaper order.
const side = 256;
const bracketed = side ** 3 + side ** 2;
const chosen = s.einsumMultiplyAdds("ij,jk,k->i", normal(side, side), normal(side, side), normal(side));
console.log(`ij,jk,k->i: (A·B)·x takes ${bracketed} multiply-adds, and the order that einsum chose takes ${chosen}`);

// An einsum's gradient is an einsum: the cotangent takes the place of the operand.
const [x, y, g] = [normal(3, 4), normal(4, 5), normal(3, 5)];
const [gradient] = s.gradients(s.sum(s.multiply(s.einsum("ij,jk->ik", x, y), g)), [x]);
console.log("the gradient of ij,jk->ik is ik,jk->ij, apart by", await distance(gradient!, s.einsum("ik,jk->ij", g, y)));
