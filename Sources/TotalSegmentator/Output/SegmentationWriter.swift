import Basics
import ImageFormats
import Imaging
import Synchronization

/// Writes the segmentation of a case: one file of labels, or a mask for every class.
struct SegmentationWriter: Sendable {
  /// The colours of a label table.
  let palette: [SIMD3<UInt8>]
  /// Whether a task's own rules for further masks apply.
  let derivesMasks: Bool

  /// A folder gets all masks of the case or none.
  ///
  /// - Parameters:
  ///   - image: on the image's grid, for masks that depend on intensities.
  ///   - template: the image's header, which the results' headers are made after.
  /// - Returns: the files, or the folder, that were written.
  /// - Throws: `cannotWrite`.
  func write(
    _ segmentation: TaskSegmentation, to destination: TaskCase.Destination, template: NIfTITemplate,
    image: Volume<Float>, steps: [TaskStep]
  ) throws -> [String] {
    switch destination {
    case .none: return []
    case .file(let path):
      try Path.makeFolder(Path.split(path).folder)
      try template.write(
        segmentation.labels, to: path, affine: segmentation.affine.values,
        extensions: [NIfTILabelTable.fileExtension(table(segmentation.classes))])
      return [path]
    case .folder(let folder):
      try Path.makeFolder(folder)
      let scratch = try ScratchFolder(in: folder)
      try withExtendedLifetime(scratch) {
        do {
          try writeMasks(segmentation, into: scratch.path, template)
          if derivesMasks, steps.contains(.deriveBodyAndSkin), segmentation.labels.shape == image.shape {
            try writeBody(segmentation, into: scratch.path, template, image)
          }
        } catch {
          // The user knows the file by the name that it was to have.
          var failure = Failure(wrapping: error)
          failure.file = failure.file.map { $0.replacing(scratch.path, with: folder) }
          throw failure
        }
        for name in try Path.list(scratch.path) {
          try Path.move(Path.join(scratch.path, name), to: Path.join(folder, name))
        }
      }
      return [folder]
    }
  }

  /// The further masks of tasks that find a body.
  static let bodyMasks = ["body", "skin"]

  private func table(_ classes: [TaskClass]) -> [NIfTILabelTable.Entry] {
    classes.map { item in
      let colour = palette.isEmpty ? SIMD3(255, 255, 255) : palette[item.id % palette.count]
      return NIfTILabelTable.Entry(key: item.id, name: item.name, red: colour.x, green: colour.y, blue: colour.z)
    }
  }

  /// One file a class, all cores at once.
  private func writeMasks(_ segmentation: TaskSegmentation, into folder: String, _ template: NIfTITemplate) throws {
    let header = try template.header(for: segmentation.labels.shape, affine: segmentation.affine.values)
    let encoder = ClassMaskEncoder(labels: segmentation.labels)
    let failure = Mutex<Failure?>(nil)
    let classes = segmentation.classes
    Parallel.forEach(classes.count) { index in
      let path = Path.join(folder, classes[index].name + ".nii.gz")
      do {
        let bytes = try locating(path) { try encoder.gzip(of: UInt8(clamping: classes[index].id), header: header) }
        try AtomicFile.write(bytes, to: path)
      } catch {
        failure.withLock { if $0 == nil { $0 = Failure(wrapping: error) } }
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure }
  }

  private func writeBody(
    _ segmentation: TaskSegmentation, into folder: String, _ template: NIfTITemplate, _ image: Volume<Float>
  ) throws {
    let labels = LabelSet(segmentation.classes.map { UInt8(clamping: $0.id) })
    let body = BodyMasks.body(of: segmentation.labels, labels: labels)
    let skin = try BodyMasks.skin(of: body, image: image)
    for (name, mask) in zip(Self.bodyMasks, [body, skin]) {
      try template.write(
        mask, to: Path.join(folder, name + ".nii.gz"), affine: segmentation.affine.values)
    }
  }
}
