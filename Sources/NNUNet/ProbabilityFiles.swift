import Basics
import Checkpoints
import Imaging
import Inference

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// `<case>.npz` and `<case>.pkl`, as nnU-Net writes them beside a segmentation, for ensembling.
public enum ProbabilityFiles {
  /// Writes both files, each whole or not at all.
  ///
  /// - Parameter stem: the path without its extension.
  public static func write(_ probabilities: ProbabilitySpool, record: PreparationRecord, stem: String) throws {
    let archive = try NPZWriter(path: stem + ".npz")
    try archive.begin("probabilities", shape: [probabilities.channels] + probabilities.shape.axes)
    try archive.append(probabilities.elements)
    try archive.end()
    try archive.commit()
    try PickleWriter.write(properties(record), to: stem + ".pkl")
  }

  /// Removes both files, as far as they exist: without a segmentation beside them they would only confuse.
  static func remove(stem: String) {
    unlink(stem + ".npz")
    unlink(stem + ".pkl")
  }

  /// The property dictionary nnU-Net needs to write a segmentation on the image's grid.
  static func properties(_ record: PreparationRecord) -> PickleValue {
    let box = record.cropBox
    return dictionary(
      geometry(record.geometry) + [
        ("spacing", .list(record.originalSpacing.axes.map(PickleValue.float))),
        ("shape_before_cropping", .tuple(record.shapeBeforeCropping.axes.map(PickleValue.int))),
        (
          "bbox_used_for_cropping",
          .list((0..<3).map { .list([.int(box.lower[$0]), .int(box.upper[$0])]) })
        ),
        ("shape_after_cropping_and_before_resampling", .tuple(box.shape.axes.map(PickleValue.int))),
      ])
  }

  private static func dictionary(_ entries: [(String, PickleValue)]) -> PickleValue {
    .dictionary(PickleDictionary(entries))
  }

  private static func geometry(_ geometry: SourceGeometry) -> [(String, PickleValue)] {
    func tuple(_ values: [Double]) -> PickleValue { .tuple(values.map(PickleValue.float)) }
    switch geometry {
    case .itk(_, let spacing, let origin, let direction, let originalOrientation):
      var entries = [("spacing", tuple(spacing)), ("origin", tuple(origin)), ("direction", tuple(direction))]
      if let originalOrientation { entries.append(("original_orientation", .string(originalOrientation))) }
      return [("sitk_stuff", dictionary(entries))]
    case .nifti(let affine, let reorientedAffine):
      var entries: [(String, PickleValue)] = [("original_affine", matrix(affine))]
      if let reorientedAffine { entries.append(("reoriented_affine", matrix(reorientedAffine))) }
      return [("nibabel_stuff", dictionary(entries))]
    case .natural2D, .tiff: return []
    }
  }

  private static func matrix(_ values: [Double]) -> PickleValue {
    .list((0..<values.count / 4).map { row in .list(values[row * 4..<row * 4 + 4].map(PickleValue.float)) })
  }
}
