import Basics
import CKernels
import Imaging

/// Teaches a network what trained networks answer: total = (1 - alpha) labels + alpha divergence.
final class TeacherGuidance: TrainingGuidance {
  let alpha: Double
  private let loss: DistillationLoss
  private let teachers: TeacherEnsemble
  private let answers: TeacherAnswers?
  private let batchSize: Int
  private let shapes: [Shape3D]
  /// For each output that is guided: the teachers' mean logits (N, C, V).
  private let targets: [UnsafeMutableBufferPointer<Float>]
  /// By how much each target is coarser than the one before.
  private let factors: [[Int]]
  private var sum = 0.0
  private var count = 0

  /// - Parameters:
  ///   - answers: where answers are kept; nil computes all of them anew.
  ///   - allLevels: guide every output that has a weight, by the means of the teachers' logits over its voxels, and not
  ///     only the finest.
  /// Throws `badInput` when an output's voxels are not boxes of the finer one's.
  init(
    task: TrainingTask, alpha: Double, loss: DistillationLoss, teachers: TeacherEnsemble, answers: TeacherAnswers?,
    allLevels: Bool
  ) throws {
    self.alpha = alpha
    self.loss = loss
    self.teachers = teachers
    self.answers = answers
    batchSize = task.batchSize
    shapes = Array(task.supervision.shapes.prefix(allLevels ? task.supervision.weights.count { $0 != 0 } : 1))
    factors = try zip(shapes, shapes.dropFirst()).map { fine, coarse in
      guard (0..<3).allSatisfy({ fine[$0] % coarse[$0] == 0 }) else {
        throw Failure(.badInput, "an output of \(coarse) voxels does not divide one of \(fine)")
      }
      return (0..<3).map { fine[$0] / coarse[$0] }
    }
    let channels = task.meaning.channelCount
    let batch = task.batchSize
    targets = shapes.map { shape in
      let target = UnsafeMutableBufferPointer<Float>.allocate(capacity: batch * channels * shape.count)
      target.initialize(repeating: 0)
      return target
    }
  }

  deinit { for target in targets { target.deallocate() } }

  var labelShare: Double { 1 - alpha }

  func prepare(_ batch: TrainingBatch) throws {
    guard let finest = targets.first else { return }
    if let answers {
      try answers.answer(UnsafeBufferPointer(batch.image), from: teachers, into: finest)
    } else {
      try teachers.answer(UnsafeBufferPointer(batch.image), into: finest)
    }
    for (level, factors) in factors.enumerated() {
      let (fine, coarse) = (shapes[level].count, shapes[level + 1])
      let shape = coarse.axes.map { Int($0) }
      let pointers = Shared((targets[level], targets[level + 1]))
      Parallel.forEach(targets[level + 1].count / coarse.count) { plane in
        guard let source = pointers.value.0.baseAddress, let target = pointers.value.1.baseAddress else { return }
        mt_mean_boxes(source + plane * fine, shape, factors, target + plane * coarse.count)
      }
    }
  }

  func evaluate(
    level: Int, weight: Double, scale: Double, logits: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>
  ) -> Double {
    guard level < targets.count, let target = targets[level].baseAddress else { return 0 }
    // The finest alone has all the weight.
    let weight = targets.count == 1 ? 1 : weight
    let value = loss.evaluate(
      student: logits, teacher: target, batch: batchSize, voxels: shapes[level].count, weight: alpha * weight * scale,
      gradient: gradient)
    sum += weight * value
    if level == 0 { count += 1 }
    return alpha * weight * value
  }

  func summary(trainingLoss: Double) -> [String] {
    let mean = sum / Double(max(1, count))
    (sum, count) = (0, 0)
    let labels = alpha < 1 ? (trainingLoss - alpha * mean) / (1 - alpha) : .nan
    return ["avg_seg_loss \(labels.decimals(4))", "avg_distill_loss \(mean.decimals(4))"]
  }
}
