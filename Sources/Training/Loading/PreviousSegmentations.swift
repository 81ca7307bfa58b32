import Basics
import Checkpoints
import Imaging
import Synchronization

/// The segmentations of a cascade's first stage, on the grid of the second, read when they are first needed.
public final class PreviousSegmentations: Sendable {
  private struct Kept {
    var volumes: [String: Volume<Int16>] = [:]
    var order: [String] = []
    var bytes = 0
  }

  private let folder: String
  /// Reads the file of a case.
  private let read: @Sendable (String) throws -> Volume<Int16>
  private let kept = Mutex(Kept())
  /// So many bytes are kept in memory.
  private static let capacity = 1 << 30

  /// - Parameters:
  ///   - folder: `predicted_next_stage/CONFIGURATION` of the first stage.
  ///   - read: reads the segmentation of a case in that folder.
  public init(folder: String, read: @escaping @Sendable (String) throws -> Volume<Int16>) {
    self.folder = folder
    self.read = read
  }

  /// The segmentation of a case. Throws `missingInput` and `badInput`.
  public func segmentation(of identifier: String, shape: Shape3D) throws -> Volume<Int16> {
    if let known = kept.withLock({ $0.volumes[identifier] }) { return known }
    let volume = try read(identifier)
    guard volume.shape == shape else {
      throw Failure(
        .badInput,
        "the previous stage's segmentation of \(identifier) has \(volume.shape) voxels, the case has \(shape)",
        file: folder, hint: "run the previous stage's validation again (train with --val)")
    }
    kept.withLock { kept in
      guard kept.volumes[identifier] == nil else { return }
      kept.volumes[identifier] = volume
      kept.order.append(identifier)
      kept.bytes += 2 * shape.count
      while kept.bytes > Self.capacity, kept.order.count > 1 {
        let oldest = kept.order.removeFirst()
        kept.bytes -= 2 * (kept.volumes.removeValue(forKey: oldest)?.shape.count ?? 0)
      }
    }
    return volume
  }
}
