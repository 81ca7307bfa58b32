import Basics
import Imaging
import Synchronization

/// The segmentations of a cascade's first stage, on the grid of the second, opened when they are first needed.
public final class PreviousSegmentations: Sendable {
  /// A case. Whoever opens its file holds the lock, so that threads that need the same case open it once.
  private final class Slot: Sendable {
    let segmentation = Mutex<StageSegmentation?>(nil)
  }

  private struct Kept {
    var slots: [String: Slot] = [:]
    /// Cases whose voxels are in memory, the oldest first, and how many bytes they are.
    var unpacked: [(identifier: String, bytes: Int)] = []
    var bytes = 0
  }

  private let folder: String
  /// Opens the file of a case.
  private let open: @Sendable (String) throws -> StageSegmentation
  private let kept = Mutex(Kept())
  /// So many bytes of what had to be unpacked are kept in memory.
  private let capacity: Int

  /// - Parameters:
  ///   - folder: `predicted_next_stage/CONFIGURATION` of the first stage.
  ///   - capacity: of the memory for files that cannot be read in parts, in bytes.
  ///   - open: opens the segmentation of a case in that folder.
  public init(
    folder: String, capacity: Int = 1 << 30, open: @escaping @Sendable (String) throws -> StageSegmentation
  ) {
    self.folder = folder
    self.capacity = capacity
    self.open = open
  }

  /// Copies a box of a case to `target`. Throws `missingInput` and `badInput`.
  ///
  /// - Parameters:
  ///   - shape: of the case, within which the box lies.
  ///   - target: (Z, Y, X) of the box.
  func read(
    _ identifier: String, shape: Shape3D, _ box: Box3D, into target: UnsafeMutableBufferPointer<Int16>
  ) throws {
    try segmentation(identifier, shape).read(box, into: target)
  }

  /// The whole segmentation of a case. Throws `missingInput` and `badInput`.
  public func segmentation(of identifier: String, shape: Shape3D) throws -> Volume<Int16> {
    try segmentation(identifier, shape).volume()
  }

  private func segmentation(_ identifier: String, _ shape: Shape3D) throws -> StageSegmentation {
    let slot = kept.withLock { kept -> Slot in
      if let known = kept.slots[identifier] { return known }
      let slot = Slot()
      kept.slots[identifier] = slot
      return slot
    }
    return try slot.segmentation.withLock { known in
      if let known { return known }
      let found = try open(identifier)
      guard found.shape == shape else {
        throw Failure(
          .badInput,
          "the previous stage's segmentation of \(identifier) has \(found.shape) voxels, the case has \(shape)",
          file: folder, hint: "run the previous stage's validation again (train with --val)")
      }
      known = found
      if found.memory > 0 { makeRoom(for: identifier, found.memory) }
      return found
    }
  }

  /// Notes what has been unpacked and lets go of the oldest beyond the capacity.
  private func makeRoom(for identifier: String, _ bytes: Int) {
    kept.withLock { kept in
      kept.unpacked.append((identifier, bytes))
      kept.bytes += bytes
      while kept.bytes > capacity, kept.unpacked.count > 1 {
        let oldest = kept.unpacked.removeFirst()
        kept.bytes -= oldest.bytes
        // Threads that still copy from it have a reference of their own.
        kept.slots[oldest.identifier] = nil
      }
    }
  }
}
