import Basics

extension LabelMap {
  /// Sets to 0 what is not in the largest connected component of some labels taken together.
  ///
  /// Size is the number of voxels; neighbours share at least a corner; equally large components are all kept. Voxels of
  /// other labels stay. This is nnU-Net's `remove_all_but_largest_component_from_segmentation`, for which a list of labels
  /// is one joint foreground too.
  public mutating func keepLargestComponents(of labels: Set<Int>, background: Int = 0) {
    switch self {
    case .uint8(var volume):
      self = .uint8(Volume(shape: Shape3D(0, 0, 0), elements: []))  // so that `volume` is not copied on write
      keepLargest(&volume, labels, UInt8(clamping: background))
      self = .uint8(volume)
    case .uint16(var volume):
      self = .uint16(Volume(shape: Shape3D(0, 0, 0), elements: []))
      keepLargest(&volume, labels, UInt16(clamping: background))
      self = .uint16(volume)
    }
  }
}

private func keepLargest<Label: FixedWidthInteger & BitwiseCopyable & Sendable>(
  _ volume: inout Volume<Label>, _ labels: Set<Int>, _ background: Label
) {
  let shape = volume.shape
  var isSelected = [UInt8](repeating: 0, count: Int(Label.max) + 1)
  for label in labels where isSelected.indices.contains(label) { isSelected[label] = 1 }
  let lookup = isSelected
  volume.elements.withUnsafeMutableBufferPointer { voxels in
    guard let base = voxels.baseAddress, shape.count > 0 else { return }
    let voxels = Shared(base)
    let mask = Volume<UInt8>(shape: shape) { mask in
      guard let base = mask.baseAddress else { return }
      let mask = Shared(base)
      Parallel.ranges(shape.count, minimum: 1 << 14) { range in
        lookup.withUnsafeBufferPointer { lookup in
          for index in range { mask.value[index] = lookup[Int(voxels.value[index])] }
        }
      }
    }
    let found = mask.elements.withUnsafeBufferPointer { mask in
      mask.baseAddress.map { ForegroundRuns($0, shape: shape, connectivity: .corners) }
    }
    guard let found else { return }
    let sizes = found.sizes()
    let largest = sizes.max() ?? 0
    found.paint(sizes.map { $0 < largest ? background : nil }, over: voxels.value)
  }
}
