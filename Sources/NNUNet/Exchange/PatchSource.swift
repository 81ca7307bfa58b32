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
  ///   - previousStage: for the second stage of a cascade, the folder with the segmentations of the first.
  ///
  /// Throws `missingInput` when there are no cases; `badInput` when the images are the same everywhere, which tells nothing
  /// about a network; `usage` when a cascade's first stage is missing, or given to another model; and what reading and
  /// preparing throws.
  public func patches(of path: String, limit: Int, previousStage: String? = nil) throws -> [[Float]] {
    try check(previousStage, path)
    guard Path.exists(path) else {
      throw Failure(.missingInput, "does not exist", file: path, hint: "give a folder of images, or one image")
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
        let image = try model.plans.reader.read(files.images)
        let previous = try previousStage.map {
          try model.previousSegmentation(of: files, in: $0, shape: image.voxels.shape)
        }
        let prepared = try preparation.prepare(image, identifier: files.identifier, previousStage: previous)
        let grid = TileGrid(image: prepared.record.networkShape, patch: model.configuration.patchSize, step: 0.5)
        return grid.patches(of: prepared.voxels, limit: share)
      }
    }
    guard patches.contains(where: varies) else {
      throw Failure(
        .badInput, "the images have the same value everywhere, which tells nothing about a network", file: path,
        hint: "give images like those that the network was trained with")
    }
    return patches
  }

  private func check(_ previousStage: String?, _ path: String) throws {
    switch (model.configuration.previousStage, previousStage) {
    case (let stage?, nil):
      throw Failure(
        .usage, "\(model.configuration.name) is the second stage of a cascade, for which images alone are no input",
        file: path, hint: "give the folder with their segmentations by \(stage) with -prev_stage_predictions")
    case (nil, _?):
      throw Failure(
        .usage, "segmentations of a previous stage were given, but this model takes none", file: model.path,
        hint: "leave out -prev_stage_predictions")
    default: break
    }
  }

  private var voxelCount: Int { model.configuration.patchSize.reduce(1, *) }

  /// Whether an image channel of a patch differs from one voxel to another by more than rounding.
  private func varies(_ patch: [Float]) -> Bool {
    (0..<model.dataset.channelCount).contains { channel in
      let voxels = patch[channel * voxelCount..<(channel + 1) * voxelCount]
      // Intensities are normalised: they spread by about 1.
      return (voxels.max() ?? 0) - (voxels.min() ?? 0) > 1e-3
    }
  }

  /// Normally distributed noise, the same every time; and for the second stage of a cascade, labels drawn for each voxel, as
  /// the channels that they make.
  public func noise(count: Int) -> [[Float]] {
    var state = RandomState(seed: 42)
    let images = model.dataset.channelCount
    let labels = model.inputChannelCount - images
    return (0..<count).map { _ in
      // A sum of four uniform numbers is near enough to the normal distribution for this.
      var patch: [Float] = (0..<images * voxelCount).map { _ in
        let sum = (0..<4).reduce(0.0) { total, _ in total + state.uniform() }
        return Float((sum - 2) * 3.0.squareRoot())
      }
      guard labels > 0 else { return patch }
      patch += [Float](repeating: 0, count: labels * voxelCount)
      for voxel in 0..<voxelCount {
        let label = min(labels, Int(state.uniform() * Double(labels + 1)))
        if label > 0 { patch[(images + label - 1) * voxelCount + voxel] = 1 }
      }
      return patch
    }
  }
}
