import Basics
import Imaging

/// A step whose labels are numbers.
struct ResolvedOperation: Sendable, Equatable {
  let operation: LabelOperation
  /// Empty for all there are.
  let labels: [Int]
  /// What voxels become that leave their label.
  let replacement: Int

  /// Cleans up a segmentation.
  ///
  /// - Parameter spacing: of the voxels in mm, (Z, Y, X).
  /// - Throws: `badInput` for a radius in mm that is too many voxels.
  func apply(to map: inout LabelMap, spacing: Vector3D) throws {
    if case .reassign = operation {
      map.renumber(Dictionary(labels.map { ($0, replacement) }, uniquingKeysWith: { first, _ in first }))
      return
    }
    let boxes = map.boundingBoxes()
    let present = labels.isEmpty ? boxes.keys.sorted() : labels.filter { boxes[$0] != nil }
    for group in joinsLabels ? [present] : present.map({ [$0] }) {
      guard let first = group.first.flatMap({ boxes[$0] }) else { continue }
      let box = group.dropFirst().reduce(first) { box, label in boxes[label].map(box.union) ?? box }
      try map.edit(Set(group), in: box, removed: replacement, added: growing ? group.first : nil) { mask in
        try change(&mask, spacing: spacing)
      }
    }
  }

  private var joinsLabels: Bool {
    switch operation {
    case .keepLargest(_, let components), .removeSmall(_, _, let components): components.together
    default: false
    }
  }

  private var growing: Bool {
    switch operation {
    case .closing, .fillHoles: true
    default: false
    }
  }

  private func change(_ mask: inout Volume<UInt8>, spacing: Vector3D) throws {
    switch operation {
    case .keepLargest(_, let components):
      mask.keepLargestComponent(of: 1, connectivity: components.connectivity, order: .xFastest)
    case .removeSmall(_, let size, let components):
      let limit: Int
      switch size {
      case .voxels(let count): limit = count - 1
      case .cubicMillimetres(let volume):
        // The largest number of voxels with less than this volume.
        let voxels = volume / (spacing.z * spacing.y * spacing.x)
        limit = Int(min(max(voxels.rounded(.up) - 1, 0), 0x1p62))
      }
      mask.removeSmallComponents(of: [1], atMost: limit, connectivity: components.connectivity)
    case .opening(_, let radius): mask.open(try radius.ball(spacing: spacing))
    case .closing(_, let radius): mask.close(try radius.ball(spacing: spacing))
    case .fillHoles(_, perSlice: false): mask.fillHoles()
    case .fillHoles(_, perSlice: true): mask.fillHolesInSlices()
    case .reassign: break
    }
  }
}

extension LabelOperation.Radius {
  fileprivate func ball(spacing: Vector3D) throws -> Ball {
    switch self {
    case .voxels(let radius): try Ball(radius: radius)
    case .millimetres(let radius): try Ball(radius: radius, spacing: spacing)
    }
  }
}

extension LabelOperation {
  var labels: Labels {
    switch self {
    case .keepLargest(let labels, _), .removeSmall(let labels, _, _), .opening(let labels, _), .closing(let labels, _),
      .fillHoles(let labels, _), .reassign(let labels, _):
      labels
    }
  }

  var replacement: LabelReference {
    switch self {
    case .keepLargest(_, let components), .removeSmall(_, _, let components): components.replacement
    case .reassign(_, let label): label
    default: .number(0)
    }
  }
}
