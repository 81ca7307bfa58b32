import Basics
import Imaging

/// The postprocessing that nnU-Net v1 applies by itself: the model folder's `postprocessing.json`.
///
/// Of each class or group of classes the largest connected component stays; neighbours share a face. The others go, or
/// only those below a volume, where one is given.
struct LegacyPostprocessing: Sendable, Equatable {
  struct Step: Sendable, Equatable {
    var labels: Set<Int>
    /// In mm³; smaller components go. nil: all but the largest go.
    var minimumVolume: Double?
  }

  var steps: [Step]

  /// Reads the document. Throws `badInput`.
  init(json: JSON) throws {
    let sizes = try Self.minimumVolumes(json["min_valid_object_sizes"])
    steps = try (json["for_which_classes"]?.array ?? []).map { entry in
      guard let labels = entry.int.map({ [$0] }) ?? entry.ints, !labels.isEmpty else {
        throw Failure(.badInput, "\"for_which_classes\" does not list labels")
      }
      return Step(labels: Set(labels), minimumVolume: sizes?[labels])
    }
  }

  /// Reads the model folder's file; nil when it has none.
  static func read(_ path: String) throws -> LegacyPostprocessing? {
    guard Path.isFile(path) else { return nil }
    return try locating(path) { try LegacyPostprocessing(json: JSON.read(path)) }
  }

  /// A Python dictionary in a string, of labels or tuples of them to numbers; `None` for none.
  private static func minimumVolumes(_ value: JSON?) throws -> [[Int]: Double]? {
    guard let text = value?.string, text != "None" else { return nil }
    func mistake() -> Failure { Failure(.badInput, "\"min_valid_object_sizes\" is not understood: \(text.prefix(80))") }
    var body = text.filter { !$0.isWhitespace }[...]
    guard body.popFirst() == "{", body.popLast() == "}" else { throw mistake() }
    var volumes: [[Int]: Double] = [:]
    while !body.isEmpty {
      guard let colon = body.firstIndex(of: ":") else { throw mistake() }
      let key = body[..<colon].filter { $0 != "(" && $0 != ")" }.split(separator: ",").map { Int($0) }
      let rest = body[body.index(after: colon)...]
      let end = rest.firstIndex(of: ",") ?? rest.endIndex
      guard let volume = Double(rest[..<end]), !key.contains(nil) else { throw mistake() }
      volumes[key.compactMap(\.self)] = volume
      body = end == rest.endIndex ? "" : rest[rest.index(after: end)...]
    }
    return volumes
  }

  /// Cleans up a segmentation. `spacing` in mm.
  func apply(to labels: LabelMap, spacing: Vector3D) -> LabelMap {
    guard case .uint8(var volume) = labels else { return labels }
    let voxel = spacing.z * spacing.y * spacing.x
    for step in steps {
      let selected = Set(step.labels.compactMap(UInt8.init(exactly:)))
      let mask = Volume<UInt8>(shape: volume.shape, elements: volume.elements.map { selected.contains($0) ? 1 : 0 })
      let components = ConnectedComponents(of: mask, connectivity: .faces)
      guard let largest = components.sizes.max() else { continue }
      let isKept = components.sizes.map { size in
        size == largest || step.minimumVolume.map { Double(size) * voxel >= $0 } ?? false
      }
      volume.elements.withUnsafeMutableBufferPointer { voxels in
        components.labels.elements.withUnsafeBufferPointer { numbers in
          for index in voxels.indices where numbers[index] > 0 && !isKept[Int(numbers[index]) - 1] { voxels[index] = 0 }
        }
      }
    }
    return .uint8(volume)
  }
}

extension TrainedModel {
  /// The labels after the postprocessing that is part of a model of nnU-Net v1; as they are for other models.
  public func postprocessed(_ labels: LabelMap, record: PreparationRecord) -> LabelMap {
    legacy?.postprocessing?.apply(to: labels, spacing: record.originalSpacing) ?? labels
  }
}
