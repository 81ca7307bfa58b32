import Basics
import Imaging

/// A case as preprocessing has left it: normalised, on the grid of a configuration. Safe to read from several threads.
public protocol PreprocessedCase: Sendable {
  var identifier: String { get }
  var channelCount: Int { get }
  /// (Z, Y, X) in the network's frame.
  var shape: Shape3D { get }
  /// What the case's properties say about its way here.
  var properties: PreprocessedProperties { get }

  /// Copies a box, which lies within the image, of the channels and of the labels.
  ///
  /// - Parameters:
  ///   - image: (C, Z, Y, X) of the box; nil where only labels are wanted.
  ///   - labels: (Z, Y, X) of the box; -1 outside of what was not zero.
  /// - Throws: `badInput` when the file is damaged.
  func read(
    _ box: Box3D, image: UnsafeMutableBufferPointer<Float>?, labels: UnsafeMutableBufferPointer<Int16>?
  ) throws
}

extension PreprocessedCase {
  /// Throws unless a box lies within the image and there is room for it.
  func check(
    _ box: Box3D, image: UnsafeMutableBufferPointer<Float>?, labels: UnsafeMutableBufferPointer<Int16>?
  ) throws {
    try box.check(within: shape)
    let count = box.shape.count
    guard (image?.count ?? .max) >= channelCount * count, (labels?.count ?? .max) >= count else {
      throw Failure(.internalError, "the room for a box of \(box.shape) voxels is too small")
    }
  }
}

/// What nnU-Net keeps in the `.pkl` beside a preprocessed case.
public struct PreprocessedProperties: Sendable {
  /// How to go back to the image's own grid.
  public var record: PreparationRecord
  /// By what training looks for: some voxels that have it.
  public var locations: [ClassLocations]

  public init(record: PreparationRecord, locations: [ClassLocations]) {
    self.record = record
    self.locations = locations
  }
}
