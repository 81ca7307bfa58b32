import Basics
import Imaging

/// Makes one compressed binary mask per class from a label map, for folders with a file for each class.
///
/// The label map is looked at once. After that a mask costs what its surface is worth, however large the volume; so a
/// hundred masks take little longer than one. All methods may be called from several threads at once.
public struct ClassMaskEncoder: Sendable {
  /// Runs of equal labels, by label.
  private let runs: LabelRuns
  private let shape: Shape3D

  /// Finds the runs of the first channel of `labels` (Z, Y, X), on all cores.
  public init(labels: Volume<UInt8>) {
    shape = labels.shape
    runs = labels.elements.withUnsafeBytes { LabelRuns(UnsafeRawBufferPointer(rebasing: $0[..<labels.shape.count])) }
  }

  /// Whether any voxel carries `label`.
  public func contains(_ label: UInt8) -> Bool { label > 0 ? runs.contains(label) : runs.hasBackground }

  /// `header` and the mask of one label, a byte of 0 or 1 for each voxel, as a gzip file. Throws when memory runs out.
  ///
  /// With the header of a NIfTI file of bytes, whose voxels begin behind it, the result is a .nii.gz.
  public func gzip(of label: UInt8, header: [UInt8]) throws -> [UInt8] {
    if label == 0 { return try gzip(of: [0], header: header) }
    return try gzip(runs.mask(of: label), header)
  }

  /// The same for the voxels that carry any of several labels.
  public func gzip(of labels: Set<UInt8>, header: [UInt8]) throws -> [UInt8] {
    guard labels.contains(0) else { return try gzip(runs.mask(of: labels), header) }
    return try gzip(runs.complement(of: runs.mask(of: Set(1...255).subtracting(labels))), header)
  }

  private func gzip(_ mask: some Sequence<MaskRun>, _ header: [UInt8]) throws -> [UInt8] {
    let layout = LabelLayout(bytesPerLabel: 1, sizes: [shape.x, shape.y, shape.z])
    return try Gzip.compress(mask: mask, count: shape.count, layout: layout, after: header)
  }
}
