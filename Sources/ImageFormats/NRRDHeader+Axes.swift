import Basics

extension NRRDHeader {
  /// Which axes are space and which holds components.
  struct Axes {
    /// Positions of the image axes among all axes.
    var spatial: [Int]
    var sizes: [Int]
    var components = 1
    /// Whether the component axis is the fastest one.
    var isInterleaved = false
  }

  func scalarType() throws -> ScalarType {
    switch type {
    case "signed char", "int8", "int8_t": return .int8
    case "uchar", "unsigned char", "uint8", "uint8_t": return .uint8
    case "short", "short int", "signed short", "signed short int", "int16", "int16_t": return .int16
    case "ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t": return .uint16
    case "int", "signed int", "int32", "int32_t": return .int32
    case "uint", "unsigned int", "uint32", "uint32_t": return .uint32
    case "longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t":
      return .int64
    case "ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t": return .uint64
    case "float": return .float32
    case "double": return .float64
    default: throw Failure(.badInput, "has voxels of type \"\(type.prefix(30))\", which is not supported")
    }
  }

  /// Splits image axes from a component axis, which is the first or last one and is told by its kind, or by having no
  /// direction in space. Throws `badInput` for other arrangements.
  func imageAxes() throws -> Axes {
    // Kinds of samples that lie along an axis of space (or time); all others mean components of a voxel.
    let domains: Set<String> = ["domain", "space", "time", "???", "none"]
    let components = sizes.indices.filter { axis in
      if let directions { return directions[axis] == nil }
      return !kinds.isEmpty && !domains.contains(kinds[axis])
    }
    let spatial = sizes.indices.filter { !components.contains($0) }
    guard (2...4).contains(spatial.count) else {
      throw Failure(.badInput, "has \(spatial.count) spatial dimensions; 2, 3 or 4 can be read")
    }
    var axes = Axes(spatial: spatial, sizes: spatial.map { sizes[$0] })
    if let axis = components.first {
      guard components.count == 1, axis == 0 || axis == sizes.count - 1 else {
        throw Failure(.badInput, "has its component axes in an order that is not supported")
      }
      axes.components = sizes[axis]
      axes.isInterleaved = axis == 0
    }
    return axes
  }

  /// Spacing, origin and direction in LPS, as ITK takes them from space directions, or from spacings without space.
  func geometry(axes: [Int]) throws -> ITKGeometry {
    let count = axes.count
    var geometry = ITKGeometry(dimensions: count)
    guard let directions else {
      for (index, axis) in axes.enumerated() where axis < spacings.count {
        let spacing = spacings[axis]
        guard spacing.isFinite, spacing != 0 else { continue }
        geometry.spacing[index] = abs(spacing)
        geometry.direction[index * count + index] = spacing < 0 ? -1 : 1
        // An axis that begins at its minimum: with cell centring the first centre lies half a voxel further in.
        if axis < axisMinimums.count, axisMinimums[axis].isFinite {
          let isNode = axis < centers.count && centers[axis] == "node"
          geometry.origin[index] = axisMinimums[axis] + (isNode ? 0 : spacing / 2)
        }
      }
      return geometry
    }
    let signs = lpsSigns
    for (index, axis) in axes.enumerated() {
      guard let vector = directions[axis] else { continue }
      guard vector.count >= count, vector.allSatisfy(\.isFinite) else {
        throw Failure(.badInput, "has space directions with \(vector.count) numbers for \(count) spatial axes")
      }
      let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      guard length > 0 else { throw Failure(.badInput, "has a space direction of length zero") }
      geometry.spacing[index] = length
      for row in 0..<count { geometry.direction[row * count + index] = signs[row] * vector[row] / length }
    }
    if let spaceOrigin {
      for row in 0..<count where row < spaceOrigin.count && spaceOrigin[row].isFinite {
        geometry.origin[row] = signs[row] * spaceOrigin[row]
      }
    }
    return geometry
  }

  /// What the first two world axes are multiplied by to become left and posterior.
  private var lpsSigns: [Double] {
    switch space {
    case "right-anterior-superior", "ras", "right-anterior-superior-time", "rast": [-1, -1, 1, 1]
    case "left-anterior-superior", "las", "left-anterior-superior-time", "last": [1, -1, 1, 1]
    default: [1, 1, 1, 1]
    }
  }
}
