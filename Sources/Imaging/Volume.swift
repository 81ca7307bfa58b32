/// A dense array of voxels with one or more channels, C order, axes (C, Z, Y, X).
///
/// A value type over one contiguous buffer. Kernels take the buffer once, outside their loops:
/// `volume.elements.withUnsafeBufferPointer { ... }`.
public struct Volume<Element: BitwiseCopyable & Sendable>: Sendable {
  public let channels: Int
  public let shape: Shape3D
  /// All voxels, channel by channel; `channels * shape.count` of them.
  public var elements: [Element]

  /// Wraps existing voxels. `elements.count` must equal `channels * shape.count`.
  @inlinable public init(channels: Int = 1, shape: Shape3D, elements: [Element]) {
    precondition(elements.count == channels * shape.count, "the number of voxels must match the shape")
    self.channels = channels
    self.shape = shape
    self.elements = elements
  }

  /// A volume filled with one value.
  @inlinable public init(channels: Int = 1, shape: Shape3D, repeating value: Element) {
    self.init(channels: channels, shape: shape, elements: Array(repeating: value, count: channels * shape.count))
  }

  /// A volume whose voxels `fill` writes; every element must be written before it returns.
  @inlinable public init(
    channels: Int = 1, shape: Shape3D, fill: (UnsafeMutableBufferPointer<Element>) throws -> Void
  ) rethrows {
    let count = channels * shape.count
    let elements = try [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
      try fill(UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
      initialized = count
    }
    self.init(channels: channels, shape: shape, elements: elements)
  }

  /// The position of a voxel in `elements`.
  @inlinable public func index(_ channel: Int, _ z: Int, _ y: Int, _ x: Int) -> Int {
    ((channel * shape.z + z) * shape.y + y) * shape.x + x
  }

  @inlinable public subscript(channel: Int, z: Int, y: Int, x: Int) -> Element {
    get { elements[index(channel, z, y, x)] }
    set { elements[index(channel, z, y, x)] = newValue }
  }

  /// The first channel.
  @inlinable public subscript(z: Int, y: Int, x: Int) -> Element {
    get { self[0, z, y, x] }
    set { self[0, z, y, x] = newValue }
  }
}

/// A segmentation: one unsigned label per voxel, axes (Z, Y, X); 8 bits where the number of classes allows, else 16.
public enum LabelMap: Sendable {
  case uint8(Volume<UInt8>)
  case uint16(Volume<UInt16>)

  public var shape: Shape3D {
    switch self {
    case .uint8(let volume): volume.shape
    case .uint16(let volume): volume.shape
    }
  }

  /// The largest label present; 0 for an empty map.
  public var maximum: Int {
    switch self {
    case .uint8(let volume): Int(volume.elements.max() ?? 0)
    case .uint16(let volume): Int(volume.elements.max() ?? 0)
    }
  }
}
