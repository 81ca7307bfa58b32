import Basics
import Evaluation
import Imaging
import TestSupport
import Testing

@Suite struct LabelConfusionTests {
  private let shape = Shape3D(1, 2, 4)

  private func map(_ labels: [UInt8]) -> LabelMap { .uint8(Volume(shape: shape, elements: labels)) }

  @Test func overlapOfALabelAndARegion() throws {
    let confusion = try LabelConfusion(
      prediction: map([0, 1, 1, 2, 2, 0, 0, 1]), reference: map([0, 1, 2, 2, 2, 1, 0, 0]))
    let one = confusion.overlap(of: 1)
    #expect(one == Overlap(truePositives: 1, falsePositives: 2, falseNegatives: 1, trueNegatives: 4))
    #expect(one.dice == 2.0 / 5)
    #expect(one.intersectionOverUnion == 1.0 / 4)
    #expect(one.predicted == 3)
    #expect(one.referenced == 2)
    let region = confusion.overlap(of: [1, 2])
    #expect(region == Overlap(truePositives: 4, falsePositives: 1, falseNegatives: 1, trueNegatives: 2))
    #expect(confusion.labels == [0, 1, 2])
    #expect(confusion.fractionDifferent == 3.0 / 8)
  }

  @Test func ignoredVoxelsCountNowhere() throws {
    let confusion = try LabelConfusion(
      prediction: map([0, 1, 1, 1, 0, 0, 0, 0]), reference: map([0, 1, 9, 9, 9, 0, 0, 0]))
    let overlap = confusion.overlap(of: 1, ignoring: 9)
    #expect(overlap == Overlap(truePositives: 1, falsePositives: 0, falseNegatives: 0, trueNegatives: 4))
  }

  @Test func absentFromBothIsNotANumber() throws {
    let confusion = try LabelConfusion(
      prediction: map([0, 0, 0, 0, 0, 0, 0, 1]), reference: map(.init(repeating: 0, count: 8)))
    #expect(confusion.overlap(of: 2).dice.isNaN)
    #expect(confusion.overlap(of: 2).intersectionOverUnion.isNaN)
    #expect(confusion.overlap(of: 1).dice == 0)
  }

  @Test func shapesMustAgree() {
    #expect(throws: Failure.self) {
      try LabelConfusion(
        prediction: map(.init(repeating: 0, count: 8)),
        reference: .uint8(Volume(shape: Shape3D(2, 2, 2), repeating: 0)))
    }
  }

  /// Against counting voxel by voxel, over labels of both widths and enough voxels for several pieces.
  @Test func countsEqualAPlainLoop() throws {
    var generator = SeededGenerator(seed: 5)
    let shape = Shape3D(20, 60, 171)
    let narrow = Volume<UInt8>(
      shape: shape, elements: (0..<shape.count).map { _ in UInt8(generator.next() % 5) })
    let wide = Volume<UInt16>(
      shape: shape, elements: (0..<shape.count).map { _ in UInt16(generator.next() % 4) * 21_845 })
    var plain: [LabelConfusion.Pair: Int] = [:]
    for (prediction, reference) in zip(wide.elements, narrow.elements) {
      plain[.init(reference: Int(reference), prediction: Int(prediction)), default: 0] += 1
    }
    let confusion = try LabelConfusion(prediction: .uint16(wide), reference: .uint8(narrow))
    #expect(confusion.counts == plain)
    #expect(try LabelMap.uint8(narrow).fractionDifferent(from: .uint8(narrow)) == 0)
  }

  /// Instances: a table of all pairs of labels would take 32 GB.
  @Test func everyVoxelMayHaveALabelOfItsOwn() throws {
    let shape = Shape3D(40, 40, 40)
    let labels = Volume<UInt16>(shape: shape, elements: (0..<shape.count).map { UInt16($0) })
    let others = Volume<UInt16>(shape: shape, elements: (0..<shape.count).map { UInt16($0 / 2) })
    let confusion = try LabelConfusion(prediction: .uint16(labels), reference: .uint16(others))
    #expect(confusion.counts.count == shape.count && confusion.counts.values.allSatisfy { $0 == 1 })
    #expect(confusion.counts[.init(reference: 20_000, prediction: 40_001)] == 1)
  }
}
