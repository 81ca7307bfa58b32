/// What guides a training beside the labels: a second loss, with its gradient.
protocol TrainingGuidance: AnyObject {
  /// What the losses of the labels are multiplied by.
  var labelShare: Double { get }

  /// Called with every training batch before its losses.
  func prepare(_ batch: TrainingBatch) throws

  /// The weighted loss of one output; adds to its gradient.
  ///
  /// - Parameters:
  ///   - level: 0 is the finest output.
  ///   - weight: of this output among all, by deep supervision.
  ///   - scale: what the gradient alone is multiplied by, besides the weight.
  ///   - logits, gradient: (N, C, V) of the batch prepared last.
  func evaluate(
    level: Int, weight: Double, scale: Double, logits: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>
  ) -> Double

  /// Lines for the log at an epoch's end.
  func summary(trainingLoss: Double) -> [String]
}
