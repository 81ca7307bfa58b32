import Imaging

/// What is done to the segmentation of a cascade's first stage before the second sees it: the mistakes it will have to
/// forgive.
struct CascadeAugmentation: Sendable {
  let isPlanar: Bool
  /// The probability of each label to be changed where any is.
  let share: Double

  /// - Parameter masks: one for each foreground label, zeros and ones.
  func apply(_ masks: inout [Volume<UInt8>], _ stream: inout RandomStream) {
    if stream.chance(0.4) { operate(&masks, &stream) }
    if stream.chance(0.2) { removeComponents(&masks, &stream) }
  }

  /// Dilates, erodes, closes or opens some labels; what a label gains, all others lose.
  private func operate(_ masks: inout [Volume<UInt8>], _ stream: inout RandomStream) {
    for label in masks.indices.shuffled(using: &stream) where stream.chance(share) {
      let operation = StructuringElement.Operator.allCases.randomElement(using: &stream) ?? .dilation
      let element = StructuringElement(radius: stream.uniform(1, 8), isPlanar: isPlanar)
      let before = masks[label]
      let after = element.apply(operation, to: before)
      masks[label] = after
      for other in masks.indices where other != label {
        for voxel in after.elements.indices where after.elements[voxel] > before.elements[voxel] {
          masks[other].elements[voxel] = 0
        }
      }
    }
  }

  /// Removes one small component of some labels.
  private func removeComponents(_ masks: inout [Volume<UInt8>], _ stream: inout RandomStream) {
    for label in masks.indices.shuffled(using: &stream) where stream.chance(share) {
      let components = ConnectedComponents(of: masks[label], connectivity: .corners)
      let limit = 0.15 * Double(masks[label].shape.count)
      let small = components.sizes.indices.filter { Double(components.sizes[$0]) < limit }
      guard let chosen = small.randomElement(using: &stream) else { continue }
      for voxel in components.labels.elements.indices where components.labels.elements[voxel] == Int32(chosen + 1) {
        masks[label].elements[voxel] = 0
      }
    }
  }
}
