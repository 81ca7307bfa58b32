import Basics
import Imaging
import TestSupport
import Testing

@testable import Training

@Suite struct LossTests {
  private struct Evaluation {
    var value: Double
    var gradient: [Float]
  }

  private func evaluate(_ loss: SegmentationLoss, _ logits: [Float], _ labels: [Int16], batch: Int) -> Evaluation {
    var gradient = [Float](repeating: 0, count: logits.count)
    let value = logits.withUnsafeBufferPointer { logits in
      labels.withUnsafeBufferPointer { labels in
        gradient.withUnsafeMutableBufferPointer { gradient in
          loss.evaluate(
            logits: logits.baseAddress!, labels: labels.baseAddress!, batch: batch, voxels: labels.count / batch,
            weight: 1, gradient: gradient.baseAddress!)
        }
      }
    }
    return Evaluation(value: value, gradient: gradient)
  }

  /// Independent region maps as labels: one bit a region, the last for "ignore".
  private func packed(_ maps: [Int16], channels: Int, batch: Int) -> [Int16] {
    let voxels = maps.count / channels / batch
    return (0..<batch * voxels).map { index in
      let (sample, voxel) = index.quotientAndRemainder(dividingBy: voxels)
      return (0..<channels).reduce(0) { $0 | maps[(sample * channels + $1) * voxels + voxel] << Int16($1) }
    }
  }

  @Test(.enabled(if: ReferenceData.isPresent, ReferenceData.absence))
  func valuesAndGradientsAreTheReferences() throws {
    var checked = 0
    for vector in try #require(try Vectors.read("losses.json").array) {
      guard let kind = vector["kind"]?.string, let shape = vector["logits_shape"]?.ints else { continue }
      var labels = vector.labels("target")
      var loss: SegmentationLoss
      switch kind {
      case "DC_and_CE":
        loss = SegmentationLoss(
          meaning: .classes(shape[1]), ignore: vector["ignore_label"]?.int,
          batchDice: try #require(vector["batch_dice"]?.bool))
      case "DC_and_BCE":
        let channels = try #require(vector["target_shape"]?.ints)[1]
        labels = packed(labels, channels: channels, batch: shape[0])
        let usesIgnore = vector["use_ignore_label"]?.bool == true
        let bit = 1 << shape[1]
        // Every label with the last bit is to be ignored; one stands for all.
        if usesIgnore { labels = labels.map { Int($0) >= bit ? Int16(bit) : $0 } }
        let regions = (0..<shape[1]).map { region in (0..<bit).filter { $0 >> region & 1 == 1 } }
        loss = SegmentationLoss(
          meaning: .regions(RegionTable(regions: regions, labelCount: bit + 1)), ignore: usesIgnore ? bit : nil,
          batchDice: try #require(vector["batch_dice"]?.bool))
      case "TopK10_CE":
        loss = SegmentationLoss(meaning: .classes(shape[1]), ignore: nil, batchDice: false)
        loss.usesDice = false
        loss.entropy = .largestTenth
      default: continue
      }
      let result = evaluate(loss, vector.floats("logits"), labels, batch: shape[0])
      #expect(abs(result.value - (vector["loss"]?.double ?? .nan)) < 1e-5, "\(kind)")
      // Single precision sums in another order.
      if vector["grad_logits"] != nil {
        #expect(distance(result.gradient, vector.floats("grad_logits")) < 2e-7, "\(kind)")
      }
      checked += 1
    }
    #expect(checked == 9)
  }

  /// Gradients of the variants, against differences of their values.
  @Test(arguments: [0, 1, 2, 3, 4])
  func gradientIsThatOfTheValue(variant: Int) {
    var generator = SeededGenerator(seed: UInt64(variant))
    let (batch, classes, voxels) = (2, 3, 40)
    let logits = (0..<batch * classes * voxels).map { _ in Float.random(in: -2...2, using: &generator) }
    let labels = (0..<batch * voxels).map { _ in Int16.random(in: 0...3, using: &generator) }
    var loss = SegmentationLoss(meaning: .classes(classes), ignore: 3, batchDice: variant == 1)
    if variant == 2 { loss.entropy = .largestTenth }
    if variant == 3 { loss.labelSmoothing = 0.1 }
    if variant == 4 { (loss.entropy, loss.smooth) = (.none, 0) }
    let exact = evaluate(loss, logits, labels, batch: batch).gradient
    for index in stride(from: 0, to: logits.count, by: 7) {
      var (up, down) = (logits, logits)
      up[index] += 5e-3
      down[index] -= 5e-3
      let slope =
        (evaluate(loss, up, labels, batch: batch).value - evaluate(loss, down, labels, batch: batch).value) / 1e-2
      #expect(abs(Double(exact[index]) - slope) < 2e-4)
    }
  }

  @Test func nothingToLearnFromIgnoredVoxels() {
    let loss = SegmentationLoss(meaning: .classes(2), ignore: 2, batchDice: false)
    let result = evaluate(loss, [1, 2, 3, 4], [2, 2], batch: 1)
    #expect(result.gradient == [0, 0, 0, 0])
    #expect(result.value.isFinite)
  }

  @Test(.enabled(if: ReferenceData.isPresent, ReferenceData.absence))
  func outputsWeighAsInTheReference() throws {
    for vector in try #require(try Vectors.read("losses.json").array) where vector["n_outputs"] != nil {
      let weights = DeepSupervision.weights(count: try #require(vector["n_outputs"]?.int))
      #expect(weights == vector["weights"]?.doubles)
    }
    // The reference divides by zero here.
    #expect(DeepSupervision.weights(count: 1) == [1])
  }

  @Test(.enabled(if: ReferenceData.isPresent, ReferenceData.absence))
  func labelsArePickedForCoarserOutputs() throws {
    let file = try Vectors.read("augmentations.json")
    let shape = Shape3D(7, 9, 8)
    let labels = try #require(file["base"]).labels("segmentation")
    let supervision = DeepSupervision(patch: shape, strides: [[1, 1, 1], [2, 2, 2], [2, 2, 2], [2, 2, 2]])
    let vector = try #require(file["cases"]?.array?.first { $0["op"]?.string == "downsample_seg_for_ds" })
    for (level, expected) in try #require(vector["out"]?.array).enumerated() {
      let target = supervision.shapes[level]
      #expect([1] + target.axes == expected["shape"]?.ints)
      var picked = [Int16](repeating: 0, count: target.count)
      DeepSupervision.pick(labels, shape, to: &picked, target)
      #expect(picked == expected.labels("values"))
    }
  }

  @Test func countsAddUp() {
    var counts = OverlapCounts(.classes(3))
    // Winners 0, 1, 2, 1; labels 0, 1, 1, 3 (ignored).
    let logits: [Float] = [9, 0, 0, 0, 0, 9, 0, 9, 0, 0, 9, 0]
    counts.add(logits: logits, labels: [0, 1, 1, 3], batch: 1, voxels: 4, ignore: 3)
    #expect(counts.dice == [2.0 / 3, 0])
    #expect(OverlapCounts(.classes(2)).dice[0].isNaN)
  }
}
