import Basics
import ImageFormats
import Imaging
import NNUNet

/// Runs a task on images: from voxels to labels on the image's own grid.
final class TaskSegmenter {
  let catalogue: TaskCatalogue
  let task: SegmentationTask
  let options: TaskOptions
  private let models: TaskModels
  private let report: (TaskEvent) -> Void
  /// Seconds in networks since this was last set to zero.
  var networkSeconds = 0.0

  init(
    task: SegmentationTask, catalogue: TaskCatalogue, models: TaskModels, options: TaskOptions,
    report: @escaping (TaskEvent) -> Void
  ) {
    self.task = task
    self.catalogue = catalogue
    self.models = models
    self.options = options
    self.report = report
  }

  /// Labels on the networks' grid, and the way to get there and back.
  struct ModelLabels {
    let grid: TaskGrid
    var labels: Volume<UInt8>
  }

  /// Segments one image.
  ///
  /// - Parameter headerSpacing: the voxel sizes that the file's header states, in mm (Z, Y, X); distances of masks on the
  ///   image's grid are measured with them.
  /// - Throws: `badInput`, `missingInput` for weights that are not there, `engine`, `interrupted`.
  func segment(_ image: GridImage, headerSpacing: Vector3D) throws -> TaskSegmentation {
    let numbering = try ResultClasses(of: task, options, catalogue)
    let region = try Region.find(for: task, in: image, by: self)
    guard !region.isEmpty else {
      report(.warning("none of \(region.description) is in the image: the segmentation is empty"))
      let empty = Volume<UInt8>(shape: image.shape, repeating: 0)
      return TaskSegmentation(labels: empty, affine: image.affine, classes: numbering.classes)
    }
    let variant = try task.variant(fast: options.fast, fastest: options.fastest)
    let found = try labels(of: task, variant, in: image, crop: region.box, isRough: false)
    var result = TaskSegmentation(labels: found.labels, affine: image.affine, classes: numbering.classes)
    if options.fast { result.modelGrid = (found.labels, found.grid.image) }
    if options.keepsModelGrid {
      (result.labels, result.affine) = found.grid.turnedBack(found.labels)
    } else {
      result.labels =
        try options.resampling == .smoothLabels
        ? found.grid.restoreSmoothly(removingUnwanted(found.labels)) : found.grid.restore(found.labels)
      try filter(&result, image, region, headerSpacing)
    }
    numbering.apply(to: &result.labels)
    return result
  }

  /// The classes asked for, by this task's ids.
  private var selectedClasses: [TaskClass] {
    let subset = Set(options.subset)
    return subset.isEmpty ? task.classes : task.classes.filter { subset.contains($0.name) }
  }

  // MARK: Networks

  /// Runs the networks of a variant and what follows them on their own grid.
  ///
  /// - Parameter isRough: whether only the whereabouts matter: the user's wishes for the result do not apply.
  func labels(
    of task: SegmentationTask, _ variant: TaskVariant, in image: borrowing GridImage, crop: Box3D?, isRough: Bool
  ) throws -> ModelLabels {
    let byNetwork = options.resampling == .byNetwork && !isRough
    let grid = try TaskGrid(
      image, crop: crop, spacing: byNetwork ? nil : variant.spacing, order: options.resamplingOrder)
    let wanted = isRough || options.subset.isEmpty ? nil : Set(selectedClasses.map(\.id))
    let stage = isRough ? "\(task.name) (rough)" : task.name
    let prediction = PartPrediction(
      models: models, forcesSplit: options.forcesSplit && !isRough, classwise: byNetwork,
      probabilitiesStem: isRough ? nil : options.probabilitiesStem,
      progress: { [report] done, total in
        try Interruption.check()
        report(.advanced(stage: stage, done: done, total: total))
      },
      spent: { self.networkSeconds += $0 })
    var labels = try prediction.run(variant, on: grid.image, wanted: wanted)
    let spacing = grid.image.affine.voxelSizes
    for step in task.steps { try apply(step, to: &labels, spacing: spacing) }
    if !isRough, let volume = options.smallBlobVolume {
      labels.removeSmallComponents(atMost: VoxelVolume.voxels(in: volume, spacing: spacing))
    }
    return ModelLabels(grid: grid, labels: labels)
  }

  /// The steps that belong on the networks' grid.
  private func apply(_ step: TaskStep, to labels: inout Volume<UInt8>, spacing: Vector3D) throws {
    switch step {
    case .removeLabels(let removed):
      var keeps = [Bool](repeating: true, count: 256)
      for label in removed where keeps.indices.contains(label) { keeps[label] = false }
      labels.renumber { keeps[Int($0)] ? $0 : 0 }
    case .keepLargestComponent(let label):
      labels.keepLargestComponent(of: UInt8(clamping: label), order: .xSlowest)
    case .removeSmallComponents(let label, let volume):
      labels.removeSmallComponents(
        of: [UInt8(clamping: label)], atMost: VoxelVolume.voxels(in: volume, spacing: spacing))
    case .separateVertebrae(let minimumVolume, let dilation):
      var separation = VertebraSeparation()
      separation.smallestVolume = minimumVolume
      separation.growth = dilation
      try separation.separate(&labels, spacing: spacing)
    case .confineVertebrae, .removeOutside, .deriveBodyAndSkin: break
    }
  }

  /// A rough segmentation by another variant or task, for its whereabouts.
  func rough(_ model: RoughModel, robust: Bool, in image: GridImage) throws -> (SegmentationTask, ModelLabels)? {
    let task = try catalogue.task(named: model.task)
    // A rough model may itself be confined to a region.
    let region = try Region.find(for: task, in: image, by: self, isRough: true)
    guard !region.isEmpty else { return nil }
    let variant = task.variant(robust ? model.robust : model.variant)
    return (task, try labels(of: task, variant, in: image, crop: region.box, isRough: true))
  }

  // MARK: Labels on the image's grid

  /// The steps that belong on the image's grid, in their order.
  private func filter(
    _ result: inout TaskSegmentation, _ image: GridImage, _ region: Region, _ headerSpacing: Vector3D
  ) throws {
    for case .confineVertebrae(let name, let label, let dilation) in task.steps {
      let other = try catalogue.task(named: name)
      let found = try labels(of: other, other.standard, in: image, crop: nil, isRough: true)
      var bodies = try found.grid.restore(found.labels)
      bodies.renumber { Int($0) == label ? 1 : 0 }
      try VertebraSeparation().refine(
        &result.labels, bodies: bodies, spacing: headerSpacing, growth: dilation)
    }
    result.labels = removingUnwanted(result.labels)
    for case .removeOutside(_, let dilation) in task.steps {
      guard let mask = try region.mask?() else { continue }
      let mean = (headerSpacing.z + headerSpacing.y + headerSpacing.x) / 3
      // With voxels larger than the distance the reference would fill the whole image.
      var inside = mask
      inside.dilate(iterations: max(1, Int(dilation / mean)))
      inside.clearOutside(of: &result.labels)
    }
  }

  private func removingUnwanted(_ labels: Volume<UInt8>) -> Volume<UInt8> {
    guard !options.subset.isEmpty else { return labels }
    var keeps = [Bool](repeating: false, count: 256)
    for wanted in selectedClasses { keeps[wanted.id] = true }
    var result = labels
    result.renumber { keeps[Int($0)] ? $0 : 0 }
    return result
  }
}

/// What a task found in one image.
struct TaskSegmentation {
  /// By class id, (Z, Y, X).
  var labels: Volume<UInt8>
  /// Of the labels' grid.
  var affine: Affine
  /// Those that were looked for, present or not, with the ids in `labels`.
  var classes: [TaskClass]
  /// Labels and image on the networks' grid: statistics of the fast variants are made there.
  var modelGrid: (labels: Volume<UInt8>, image: GridImage)?
}

extension Volume where Element == UInt8 {
  /// Replaces every label by what `number` says.
  mutating func renumber(_ number: (UInt8) -> UInt8) {
    let numbers = (0..<256).map { number(UInt8(truncatingIfNeeded: $0)) }
    elements.withUnsafeMutableBufferPointer { voxels in
      guard let base = voxels.baseAddress else { return }
      let shared = Shared(base)
      Parallel.ranges(voxels.count, minimum: 1 << 16) { range in
        numbers.withUnsafeBufferPointer { numbers in
          for index in range { shared.value[index] = numbers[Int(shared.value[index])] }
        }
      }
    }
  }
}
