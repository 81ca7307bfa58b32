import Basics
import TestSupport
import Testing

@testable import NNUNet

@Suite struct ForegroundOverlapTests {
  private func dice(_ left: [Float], _ right: [Float], channels: Int, hasRegions: Bool = false) -> Float? {
    var overlap = ForegroundOverlap(hasRegions: hasRegions)
    overlap.add(left, right, channels: channels)
    return overlap.dice
  }

  /// Three classes, four voxels: 0, 0, 1 and 2.
  private static let logits: [Float] = [5, 5, 0, 0, 0, 0, 5, 0, 0, 0, 0, 5]

  @Test func backgroundDoesNotCount() {
    #expect(dice(Self.logits, Self.logits, channels: 3) == 1)
    // Nothing but background agrees in half of the voxels.
    let empty: [Float] = [5, 5, 5, 5, 0, 0, 0, 0, 0, 0, 0, 0]
    #expect(dice(Self.logits, empty, channels: 3) == 0)
    #expect(dice(empty, empty, channels: 3) == nil)
    // Another class in one voxel of two.
    let other: [Float] = [5, 5, 0, 0, 0, 0, 5, 5, 0, 0, 0, 0]
    #expect(dice(Self.logits, other, channels: 3) == 0.5)
  }

  /// Two regions, two voxels; which logit is the largest tells nothing.
  @Test func regionsCountBySign() {
    let whole: [Float] = [3, 3, 1, -1]
    #expect(dice(whole, whole, channels: 2, hasRegions: true) == 1)
    #expect(dice(whole, [3, 3, -1, -1], channels: 2, hasRegions: true) == 0.8)
    #expect(dice([-1, -1, -2, -2], [-2, -2, -1, -1], channels: 2, hasRegions: true) == nil)
  }

  /// The second stage of a cascade is tried with channels that labels can make.
  @Test func noiseHasLabels() throws {
    let folder = try TemporaryFolder()
    let job = try GoldenModel("cascade").job(in: folder, output: folder("out"))
    let model = try TrainedModel.load(folder: job.modelFolder, folds: ["0"], checkpoint: job.checkpoint)
    let source = PatchSource(model: model)
    let patch = source.noise(count: 1)[0]
    let (voxels, images) = (model.configuration.patchSize.reduce(1, *), model.dataset.channelCount)
    #expect(patch.count == model.inputChannelCount * voxels && model.inputChannelCount > images)
    for voxel in 0..<voxels {
      let values = (images..<model.inputChannelCount).map { patch[$0 * voxels + voxel] }
      #expect(values.allSatisfy { $0 == 0 || $0 == 1 } && values.reduce(0, +) <= 1)
    }
    for channel in images..<model.inputChannelCount {
      #expect(patch[channel * voxels..<(channel + 1) * voxels].contains(1))
    }
    let alone = #expect(throws: Failure.self) { try source.patches(of: job.input, limit: 1) }
    #expect(alone?.kind == .usage && alone?.hint?.contains("-prev_stage_predictions") == true)
  }
}
