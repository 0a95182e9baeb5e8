/**
 * The paper's published results: WRN-28-10 on CIFAR-10, trained by attention transfer (Gray et al. 2019, arXiv 1906.00859, table 2 and
 * figure 2).
 */

export interface PublishedPoint {
  readonly convolution: string;
  readonly parameters: number;
  readonly paperMultAdds: number;
  /** Test error as a share, in [0, 1]. */
  readonly error: number;
}

const point = (convolution: string, parameters: number, paperMultAdds: number, percent: number): PublishedPoint => ({
  convolution,
  parameters,
  paperMultAdds,
  error: percent / 100,
});

export const publishedPoints: readonly PublishedPoint[] = [
  point("Conv", 36_479_194, 5.246e9, 3.25),
  point("TensorTrain_0.23", 598_200, 6.297e8, 4.96),
  point("TensorTrain_0.44", 1_181_863, 6.297e8, 4.09),
  point("TensorTrain_0.7", 2_413_390, 6.297e8, 3.6),
  point("Tucker_0.21", 592_947, 6.297e8, 5.37),
  point("Tucker_0.41", 1_150_364, 6.297e8, 4.56),
  point("Tucker_0.67", 2_381_200, 6.297e8, 3.94),
  point("Generic_0.03", 601_162, 8.37e7, 5.73),
  point("Generic_0.1", 1_190_634, 1.71e8, 4.1),
  point("Generic_0.24", 2_344_906, 3.38e8, 3.73),
  point("SepHashed_0.05", 568_426, 6.297e8, 4.85),
  point("SepHashed_0.2", 1_171_690, 6.297e8, 4.06),
  point("SepHashed_0.5", 2_378_218, 6.297e8, 3.91),
  point("Shuffle_7", 719_994, 1.01e8, 4.88),
  point("Shuffle_4", 823_674, 1.17e8, 4.75),
  point("Shuffle_3", 1_343_834, 1.98e8, 3.99),
  point("Shuffle_1", 2_384_154, 3.59e8, 3.86),
  point("ACDC_15", 609_258, 1.446e9, 5.22),
];
