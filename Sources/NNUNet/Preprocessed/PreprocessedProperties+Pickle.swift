import Basics
import Checkpoints
import Imaging

extension PreprocessedProperties {
  /// The dictionary that nnU-Net keeps in a case's `.pkl`. `keys` are those of `locations`, in the same order.
  func pickled(keys: [ClassKey]) throws -> PickleValue {
    guard case .dictionary(var dictionary) = ProbabilityFiles.properties(record) else { return .none }
    var classes = PickleDictionary()
    for (key, locations) in zip(keys, locations) { try classes.set(key.pickled, Self.rows(locations)) }
    try dictionary.set(.string("class_locations"), .dictionary(classes))
    return .dictionary(dictionary)
  }

  /// An int64 array with a row (0, z, y, x) for every voxel; an empty list for none.
  private static func rows(_ locations: ClassLocations) throws -> PickleValue {
    let count = locations.count
    guard count > 0 else { return .list([]) }
    let coordinates = try locations.coordinates()
    let storage = TensorStorage(count: count * 32) { memory in
      for row in 0..<count {
        for axis in 0..<3 {
          let value = Int64(coordinates[3 * row + axis]).littleEndian
          memory.storeBytes(of: value, toByteOffset: 32 * row + 8 * (axis + 1), as: Int64.self)
        }
      }
    }
    return .tensor(try Tensor(elementType: .int64, shape: [count, 4], storage: storage))
  }

  /// Reads a case's `.pkl`, written by nnU-Net or by this program.
  ///
  /// - Parameters:
  ///   - shape: of the preprocessed image, (Z, Y, X).
  ///   - frame: what the plans say about axes and spacing.
  /// - Throws: `missingInput` or `badInput`.
  static func read(_ path: String, shape: Shape3D, frame: PreprocessedFolder.Frame) throws -> PreprocessedProperties {
    try locating(path) {
      let value = try PickleFile.read(path, mapsArrays: true)
      return PreprocessedProperties(
        record: try record(value, shape: shape, frame: frame),
        locations: try locations(value, shape: shape, path: path))
    }
  }

  private static func record(
    _ value: PickleValue, shape: Shape3D, frame: PreprocessedFolder.Frame
  ) throws -> PreparationRecord {
    func three(_ key: String, _ value: PickleValue?) throws -> [Double] {
      guard let found = numbers(value), found.count == 3, found.allSatisfy({ abs($0) < 1e9 })
      else { throw Failure(.badInput, "\"\(key)\" does not hold three numbers") }
      return found
    }
    func extent(_ key: String) throws -> Shape3D {
      let sizes = try three(key, value[key]).map { Int($0) }
      guard sizes.allSatisfy({ $0 > 0 }), sizes.reduce(1, { $0 * Double($1) }) < Double(CasePreparation.voxelLimit)
      else { throw Failure(.badInput, "\"\(key)\" is no extent") }
      return Shape3D(sizes[0], sizes[1], sizes[2])
    }
    let before = try extent("shape_before_cropping")
    let cropped = try extent("shape_after_cropping_and_before_resampling")
    let spacing = try three("spacing", value["spacing"])
    let original = Vector3D(spacing[0], spacing[1], spacing[2])
    let bounds = (value["bbox_used_for_cropping"]?.sequence ?? []).compactMap(numbers)
    guard bounds.count == 3, bounds.allSatisfy({ $0.count == 2 && abs($0[0]) < 1e9 && abs($0[1]) < 1e9 }) else {
      throw Failure(.badInput, "\"bbox_used_for_cropping\" is not a box")
    }
    let box = Box3D(
      lower: Shape3D(Int(bounds[0][0]), Int(bounds[1][0]), Int(bounds[2][0])),
      upper: Shape3D(Int(bounds[0][1]), Int(bounds[1][1]), Int(bounds[2][1])))
    try box.check(within: before)
    guard box.shape == cropped else { throw Failure(.badInput, "its box and its shape after cropping disagree") }
    let transposed = original.permuted(frame.forward)
    return PreparationRecord(
      originalShape: before.permuted(frame.backward), originalSpacing: original,
      geometry: geometry(value, spacing: original), shapeBeforeCropping: before, cropBox: box, spacing: transposed,
      networkSpacing: frame.networkSpacing(image: transposed, from: cropped, to: shape), networkShape: shape)
  }

  private static func locations(_ value: PickleValue, shape: Shape3D, path: String) throws -> [ClassLocations] {
    guard let table = value["class_locations"]?.dictionary else { return [] }
    return try table.entries.map { key, rows in
      guard let labels = ClassKey.labels(of: key) else {
        throw Failure(.badInput, "\"class_locations\" has a key that is neither a label nor a tuple of labels")
      }
      let values: [Int]
      if let tensor = rows.tensor {
        guard tensor.count == 0 || tensor.shape.count == 2 && tensor.shape[1] == 4 else {
          throw Failure(.badInput, "\"class_locations\" are not rows of four numbers")
        }
        if let rows = ClassLocations.Rows(tensor, shape: shape, path: path) {
          return ClassLocations(labels: labels, rows: rows)
        }
        values = try tensor.integers()
      } else {
        values = try (rows.sequence ?? []).flatMap { row -> [Int] in
          guard let four = numbers(row), four.count == 4, four.allSatisfy({ abs($0) < 1e9 }) else {
            throw Failure(.badInput, "\"class_locations\" are not rows of four numbers")
          }
          return four.map { Int($0) }
        }
      }
      var coordinates: [Int32] = []
      coordinates.reserveCapacity(values.count / 4 * 3)
      for row in stride(from: 0, to: values.count, by: 4) {
        for axis in 0..<3 {
          let value = values[row + axis + 1]
          guard value >= 0, value < shape[axis] else { throw ClassLocations.outside() }
          coordinates.append(Int32(truncatingIfNeeded: value))
        }
      }
      return ClassLocations(labels: labels, coordinates: coordinates)
    }
  }

  /// Numbers in a list, a tuple or an array of one or two axes; nil for anything else.
  private static func numbers(_ value: PickleValue?) -> [Double]? {
    guard let value else { return nil }
    if let tensor = value.tensor { return tensor.doubles() }
    guard let items = value.sequence else { return nil }
    if let rows = items.first?.sequence, !rows.isEmpty { return items.flatMap { numbers($0) ?? [] } }
    let values = items.compactMap(\.double)
    return values.count == items.count ? values : nil
  }

  private static func geometry(_ value: PickleValue, spacing: Vector3D) -> SourceGeometry {
    if let grid = value["sitk_stuff"], let sizes = numbers(grid["spacing"]), let origin = numbers(grid["origin"]),
      let direction = numbers(grid["direction"]), origin.count == sizes.count,
      direction.count == sizes.count * sizes.count
    {
      return .itk(
        dimensions: sizes.count, spacing: sizes, origin: origin, direction: direction,
        originalOrientation: grid["original_orientation"]?.string)
    }
    if let grid = value["nibabel_stuff"], let affine = numbers(grid["original_affine"]), affine.count == 16 {
      return .nifti(affine: affine, reorientedAffine: numbers(grid["reoriented_affine"]))
    }
    return spacing.z == 999 ? .natural2D : .tiff(spacing: spacing)
  }
}
