import Basics
import TestSupport
import Testing

@testable import Training

/// The divergence and the whole loss, against FastnnUNet's (PyTorch, made once).
@Suite struct DistillationLossTests {
  /// 2 sin(a e + b) for the element e.
  private func wave(_ count: Int, _ a: Double, _ b: Double) -> [Float] {
    (0..<count).map { Float(2 * sine(a * Double($0) + b)) }
  }

  private func evaluate(
    _ loss: DistillationLoss, _ student: [Float], _ teacher: [Float], batch: Int, weight: Double = 1
  ) -> (value: Double, gradient: [Float]) {
    var gradient = [Float](repeating: 0, count: student.count)
    let value = loss.evaluate(
      student: student, teacher: teacher, batch: batch, voxels: student.count / batch / loss.meaning.channelCount,
      weight: weight, gradient: &gradient)
    return (value, gradient)
  }

  private func isClose(_ value: Double, _ expected: Double) -> Bool { abs(value - expected) <= 1e-5 * abs(expected) }

  private var teachers: [[Float]] { [wave(384, 0.29, 0.5), wave(384, 0.41, 1.5)] }
  private var mean: [Float] { zip(teachers[0], teachers[1]).map { ($0 + $1) / 2 } }

  @Test(arguments: [(3.0, 0.23556006), (1.0, 0.206904098)])
  func divergence(temperature: Double, expected: Double) {
    let loss = DistillationLoss(meaning: .classes(3), temperature: temperature, mean: .elements)
    #expect(isClose(evaluate(loss, wave(384, 0.31, 0.1), mean, batch: 2).value, expected))
  }

  @Test func small() {
    var loss = DistillationLoss(meaning: .classes(3), temperature: 3, mean: .elements)
    let (student, teacher): ([Float], [Float]) = ([1, -2, 0.5, 0.25, -1, 3], [2, -1, 0, 0, -3, 1])
    #expect(isClose(evaluate(loss, student, teacher, batch: 1).value, 0.215273976))
    loss.temperature = 1
    #expect(isClose(evaluate(loss, student, teacher, batch: 1).value, 0.0976173878))
    // A mean over voxels is the same sum by another number.
    loss.mean = .voxels
    #expect(isClose(evaluate(loss, student, teacher, batch: 1).value, 3 * 0.0976173878))
    #expect(evaluate(loss, student, student, batch: 1).value.magnitude < 1e-7)
  }

  /// (1 - alpha) SEG + alpha KD with deep supervision.
  @Test(arguments: [(false, 1.70137668, 1.26163161), (true, 1.70116639, 1.26148438)])
  func total(batchDice: Bool, labels: Double, total: Double) {
    let logits = [wave(384, 0.31, 0.1), wave(48, 0.47, 0.2), wave(6, 0.9, 0.3)]
    let marks: [[Int16]] = [
      (0..<128).map { [0, 2, 1][$0 % 3] }, [0, 1, 1, 2, 1, 2, 2, 0, 2, 0, 0, 1, 0, 1, 1, 2], [0, 2],
    ]
    let rule = SegmentationLoss(meaning: .classes(3), ignore: nil, batchDice: batchDice)
    var sum = 0.0
    for (level, weight) in DeepSupervision.weights(count: 3).enumerated() where weight != 0 {
      var gradient = [Float](repeating: 0, count: logits[level].count)
      sum +=
        weight
        * rule.evaluate(
          logits: logits[level], labels: marks[level], batch: 2, voxels: marks[level].count / 2, weight: 1,
          gradient: &gradient)
    }
    #expect(isClose(sum, labels))
    let divergence = evaluate(
      DistillationLoss(meaning: .classes(3), temperature: 3, mean: .elements), logits[0], mean, batch: 2)
    #expect(isClose(0.7 * sum + 0.3 * divergence.value, total))
  }

  @Test(arguments: [DistillationLoss.Mean.voxels, .elements], [false, true])
  func gradients(mean: DistillationLoss.Mean, regions: Bool) {
    let meaning =
      regions ? OutputMeaning.regions(RegionTable(regions: [[1, 2], [2], [1]], labelCount: 3)) : .classes(3)
    let loss = DistillationLoss(meaning: meaning, temperature: 2, mean: mean)
    let (student, teacher) = (wave(2 * 3 * 7, 0.7, 0.3), wave(2 * 3 * 7, 1.1, 0.9))
    let gradient = evaluate(loss, student, teacher, batch: 2, weight: 0.5).gradient
    for index in stride(from: 0, to: student.count, by: 5) {
      func value(_ change: Float) -> Double {
        var moved = student
        moved[index] += change
        return evaluate(loss, moved, teacher, batch: 2).value
      }
      let slope = 0.5 * (value(0.02) - value(-0.02)) / 0.04
      // Single precision in the difference.
      #expect(abs(slope - Double(gradient[index])) < 2e-5, "\(index)")
    }
  }

  /// The same answers with twice as many classes, of which half never occur, weigh the same.
  @Test func classesDoNotChangeTheWeight() {
    let (student, teacher) = (wave(30, 0.7, 0.3), wave(30, 1.1, 0.9))
    let never = [Float](repeating: -60, count: 30)
    func value(_ classes: Int, _ mean: DistillationLoss.Mean) -> Double {
      let loss = DistillationLoss(meaning: .classes(classes), temperature: 1, mean: mean)
      return classes == 3
        ? evaluate(loss, student, teacher, batch: 1).value
        : evaluate(loss, student + never, teacher + never, batch: 1).value
    }
    #expect(isClose(value(6, .voxels), value(3, .voxels)))
    #expect(isClose(value(6, .elements), value(3, .elements) / 2))
  }

  /// Sigmoids, one by one, in double precision.
  @Test func regionsAreNotClasses() {
    let (student, teacher): ([Float], [Float]) = ([1, -2, 0.5, 7], [2, -1, -30, 6])
    let loss = DistillationLoss(
      meaning: .regions(RegionTable(regions: [[1], [2]], labelCount: 3)), temperature: 2)
    func sigmoid(_ x: Float) -> Double { 1 / (1 + exponential(-Double(x) / 2)) }
    let expected = zip(student, teacher).reduce(0.0) { sum, pair in
      let (q, p) = (sigmoid(pair.0), sigmoid(pair.1))
      return sum + p * logarithm(p / q) + (1 - p) * logarithm((1 - p) / (1 - q))
    }
    #expect(isClose(evaluate(loss, student, teacher, batch: 1).value, 4 * expected / 4))
  }
}
