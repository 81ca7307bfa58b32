import Basics
import ImageFormats
import Imaging

/// The part of an image that a task is confined to.
struct Region {
  /// nil for the whole image.
  var box: Box3D?
  /// Nothing of what the task looks at is there.
  var isEmpty = false
  /// What was looked for.
  var description = ""
  /// Makes the mask, on the image's grid, outside of which the task's labels do not count.
  var mask: (() throws -> BitMask)?

  static var everywhere: Region { Region() }

  /// Margin in mm around the classes of a subset, as around every region found by a rough model.
  private static let subsetMargin = 20.0
  /// Margin in mm around the body.
  private static let bodyMargin = 3.0

  /// Finds the region with the rough model that the task, the user's subset of classes or the user's wish asks for.
  ///
  /// - Parameter isRough: whether the task is itself a rough model, to which the user's wishes do not apply.
  static func find(
    for task: SegmentationTask, in image: GridImage, by segmenter: TaskSegmenter, isRough: Bool = false
  ) throws -> Region {
    let options = segmenter.options
    if let crop = task.crop {
      var removal: [String] = []
      for case .removeOutside(let rois, _) in task.steps { removal = rois }
      let isRobust = crop.isRobust || (options.robustCrop && !isRough)
      return try around(
        crop.rois, margin: crop.margin, model: crop.model, robust: isRobust, removal: removal, image, segmenter)
    }
    guard !isRough else { return .everywhere }
    if !options.subset.isEmpty {
      guard let model = task.subsetCrop else {
        throw Failure(
          .usage, "the task \(task.name) cannot be restricted to some of its classes",
          hint: "--roi_subset works with tasks whose name begins with total")
      }
      return try around(
        options.subset, margin: subsetMargin, model: model, robust: options.robustCrop, removal: [], image, segmenter)
    }
    if options.cropsToBody {
      let model = try segmenter.catalogue.roughModel("body")
      let rois = try segmenter.catalogue.task(named: model.task).classes.map(\.name)
      return try around(rois, margin: bodyMargin, model: model, robust: false, removal: [], image, segmenter)
    }
    return .everywhere
  }

  private static func around(
    _ rois: [String], margin: Double, model: RoughModel, robust: Bool, removal: [String], _ image: GridImage,
    _ segmenter: TaskSegmenter
  ) throws -> Region {
    let names = rois.joined(separator: ", ")
    guard let (task, found) = try segmenter.rough(model, robust: robust, in: image) else {
      return Region(isEmpty: true, description: names)
    }
    let labels = rois.compactMap(task.label).map { UInt8(clamping: $0) }
    // A class that the rough model does not know may be anywhere.
    guard labels.count == rois.count else { return .everywhere }
    guard let box = found.grid.boundingBox(of: Set(labels), in: found.labels) else {
      return Region(isEmpty: true, description: names)
    }
    var region = Region(
      box: box.widened(by: margin, voxelSizes: image.affine.voxelSizes, within: image.shape), description: names)
    if !removal.isEmpty {
      let inside = LabelSet(removal.compactMap(task.label).map { UInt8(clamping: $0) })
      region.mask = { BitMask(try found.grid.restore(found.labels), labels: inside) }
    }
    return region
  }
}
