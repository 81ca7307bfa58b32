import Basics
import Engines
import ImageFormats
import Imaging
import Inference

/// Network inputs to try a model with.
public struct PatchSource: Sendable {
  private let model: TrainedModel

  public init(model: TrainedModel) { self.model = model }

  /// Patches of prepared images, evenly from as many cases as there are.
  ///
  /// - Parameters:
  ///   - path: a folder of images or one image.
  ///   - limit: how many patches are wanted at most.
  ///
  /// Throws `missingInput` when there are no cases, and what reading and preparing them throws. Second stages of cascades
  /// need segmentations beside the images and are refused.
  public func patches(of path: String, limit: Int) throws -> [[Float]] {
    guard model.configuration.previousStage == nil else {
      throw Failure(.usage, "images alone are no input for the second stage of a cascade", file: path)
    }
    let cases = try CaseList.find(at: path, ending: model.dataset.fileEnding).cases
    guard !cases.isEmpty else {
      throw Failure(
        .missingInput, "there are no cases: no file ends in _0000\(model.dataset.fileEnding)", file: path)
    }
    let chosen = min(cases.count, max(1, limit))
    let preparation = CasePreparation(model: model)
    var patches: [[Float]] = []
    for part in 0..<chosen {
      try Interruption.check()
      let files = cases[(2 * part + 1) * cases.count / (2 * chosen)]
      let share = limit * (part + 1) / chosen - limit * part / chosen
      patches += try locating(files.images.first ?? path) {
        let prepared = try preparation.prepare(model.plans.reader.read(files.images), identifier: files.identifier)
        let grid = TileGrid(image: prepared.record.networkShape, patch: model.configuration.patchSize, step: 0.5)
        return grid.patches(of: prepared.voxels, limit: share)
      }
    }
    return patches
  }

  /// Normally distributed noise, the same every time.
  public func noise(count: Int) -> [[Float]] {
    var state = RandomState(seed: 42)
    let size = model.inputChannelCount * model.configuration.patchSize.reduce(1, *)
    return (0..<count).map { _ in
      // A sum of four uniform numbers is near enough to the normal distribution for this.
      (0..<size).map { _ in
        let sum = (0..<4).reduce(0.0) { total, _ in total + state.uniform() }
        return Float((sum - 2) * 3.0.squareRoot())
      }
    }
  }
}
