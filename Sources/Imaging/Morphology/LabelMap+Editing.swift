import Basics

extension LabelMap {
  /// The smallest box around the voxels of each label above 0, for all labels in one pass.
  public func boundingBoxes() -> [Int: Box3D] {
    switch self {
    case .uint8(let volume): volume.boundingBoxes()
    case .uint16(let volume): volume.boundingBoxes()
    }
  }

  /// Edits the voxels of some labels as one mask.
  ///
  /// `body` gets the mask (1 where one of `labels` is, else 0) of `box`, which must lie within the volume, and changes it.
  /// Voxels that are no longer set become `removed`; voxels that were not set before become `added` if they were 0, and are
  /// left alone otherwise, or when `added` is nil.
  public mutating func edit(
    _ labels: Set<Int>, in box: Box3D, removed: Int, added: Int?, _ body: (inout Volume<UInt8>) throws -> Void
  ) rethrows {
    if max(removed, added ?? 0) > 255 { widen() }
    switch self {
    case .uint8(var volume):
      self = .uint8(Volume(shape: Shape3D(0, 0, 0), elements: []))  // so that `volume` is not copied on write
      defer { self = .uint8(volume) }
      try volume.edit(labels, box, UInt8(clamping: removed), added.map(UInt8.init(clamping:)), body)
    case .uint16(var volume):
      self = .uint16(Volume(shape: Shape3D(0, 0, 0), elements: []))
      defer { self = .uint16(volume) }
      try volume.edit(labels, box, UInt16(clamping: removed), added.map(UInt16.init(clamping:)), body)
    }
  }

  /// Gives labels other numbers, all at once; those that `numbers` does not mention keep theirs.
  public mutating func renumber(_ numbers: [Int: Int]) {
    guard numbers.contains(where: { $0 != $1 }) else { return }
    if numbers.values.contains(where: { $0 > 255 }) { widen() }
    switch self {
    case .uint8(let volume): self = .uint8(volume.mapped(volume.table { numbers[$0] ?? $0 }))
    case .uint16(let volume): self = .uint16(volume.mapped(volume.table { numbers[$0] ?? $0 }))
    }
  }

  /// Lays another map of the same shape over this one: its labels above 0 count where `isOpen` holds for the label here.
  public mutating func overlay(_ other: LabelMap, where isOpen: (Int) -> Bool) {
    precondition(other.shape == shape, "the maps must have the same shape")
    var other = other
    if case .uint16 = self { other.widen() }
    if case .uint16 = other { widen() }
    switch (self, other) {
    case (.uint8(var volume), .uint8(let top)):
      self = .uint8(Volume(shape: Shape3D(0, 0, 0), elements: []))
      volume.overlay(top, volume.table { isOpen($0) ? 1 : 0 })
      self = .uint8(volume)
    case (.uint16(var volume), .uint16(let top)):
      self = .uint16(Volume(shape: Shape3D(0, 0, 0), elements: []))
      volume.overlay(top, volume.table { isOpen($0) ? 1 : 0 })
      self = .uint16(volume)
    default: break
    }
  }

  /// Makes room for labels above 255.
  private mutating func widen() {
    guard case .uint8(let volume) = self else { return }
    self = .uint16(volume.mapped((0..<256).map { UInt16($0) }))
  }
}

extension Volume where Element: FixedWidthInteger & UnsignedInteger {
  /// One entry for every value there is.
  fileprivate func table(_ value: (Int) -> Int) -> [Element] {
    (0...Int(Element.max)).map { Element(clamping: value($0)) }
  }

  fileprivate func mapped<Result: BitwiseCopyable & Sendable>(_ table: [Result]) -> Volume<Result> {
    elements.withUnsafeBufferPointer { source in
      Volume<Result>(shape: shape) { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        let shared = Shared((from: from, to: to))
        Parallel.ranges(target.count, minimum: 1 << 16) { range in
          table.withUnsafeBufferPointer { table in
            for index in range { shared.value.to[index] = table[Int(shared.value.from[index])] }
          }
        }
      }
    }
  }

  fileprivate mutating func overlay(_ top: Volume, _ isOpen: [Element]) {
    elements.withUnsafeMutableBufferPointer { voxels in
      top.elements.withUnsafeBufferPointer { source in
        guard let from = source.baseAddress, let to = voxels.baseAddress else { return }
        let shared = Shared((from: from, to: to))
        Parallel.ranges(voxels.count, minimum: 1 << 16) { range in
          isOpen.withUnsafeBufferPointer { isOpen in
            let (from, to) = shared.value
            for index in range where from[index] != 0 && isOpen[Int(to[index])] != 0 { to[index] = from[index] }
          }
        }
      }
    }
  }

  fileprivate mutating func edit(
    _ labels: Set<Int>, _ box: Box3D, _ removed: Element, _ added: Element?,
    _ body: (inout Volume<UInt8>) throws -> Void
  ) rethrows {
    let isMember = table { labels.contains($0) ? 1 : 0 }
    let (shape, inner) = (self.shape, box.shape)
    let corner = (box.lower.z * shape.y + box.lower.y) * shape.x + box.lower.x
    let old = elements.withUnsafeBufferPointer { voxels in
      Volume<UInt8>(shape: inner) { mask in
        guard let from = voxels.baseAddress, let to = mask.baseAddress else { return }
        let shared = Shared((from: from + corner, to: to))
        Parallel.ranges(inner.z * inner.y, minimum: 64) { rows in
          isMember.withUnsafeBufferPointer { isMember in
            for row in rows {
              let from = shared.value.from + (row / inner.y * shape.y + row % inner.y) * shape.x
              let to = shared.value.to + row * inner.x
              for x in 0..<inner.x { to[x] = UInt8(truncatingIfNeeded: isMember[Int(from[x])]) }
            }
          }
        }
      }
    }
    var new = old
    try body(&new)
    precondition(new.shape == inner, "a mask must keep its shape")
    elements.withUnsafeMutableBufferPointer { voxels in
      old.elements.withUnsafeBufferPointer { old in
        new.elements.withUnsafeBufferPointer { new in
          guard let to = voxels.baseAddress, let old = old.baseAddress, let new = new.baseAddress else { return }
          let shared = Shared((to: to + corner, old: old, new: new))
          Parallel.ranges(inner.z * inner.y, minimum: 64) { rows in
            for row in rows {
              let to = shared.value.to + (row / inner.y * shape.y + row % inner.y) * shape.x
              let (old, new) = (shared.value.old + row * inner.x, shared.value.new + row * inner.x)
              for x in 0..<inner.x where old[x] != new[x] {
                if old[x] != 0 {
                  to[x] = removed
                } else if let added, to[x] == 0 {
                  to[x] = added
                }
              }
            }
          }
        }
      }
    }
  }

  fileprivate func boundingBoxes() -> [Int: Box3D] {
    let shape = self.shape
    guard shape.count > 0 else { return [:] }
    let pieces = max(1, min(Parallel.coreCount, shape.z))
    var found = [[Int: Box3D]](repeating: [:], count: pieces)
    elements.withUnsafeBufferPointer { voxels in
      found.withUnsafeMutableBufferPointer { found in
        guard let base = voxels.baseAddress else { return }
        let (source, found) = (Shared(base), Shared(found))
        Parallel.forEach(pieces) { piece in
          var boxes = LabelBoxes(count: Int(Element.max) + 1)
          for z in shape.z * piece / pieces..<shape.z * (piece + 1) / pieces {
            for y in 0..<shape.y { boxes.add(source.value + (z * shape.y + y) * shape.x, z, y, count: shape.x) }
          }
          found.value[piece] = boxes.dictionary
        }
      }
    }
    return found.reduce(into: [:]) { all, part in all.merge(part) { $0.union($1) } }
  }
}

/// The boxes around labels as they are found, row by row.
private struct LabelBoxes {
  private var lower: [Shape3D]
  private var upper: [Shape3D]

  init(count: Int) {
    lower = [Shape3D](repeating: Shape3D(.max, .max, .max), count: count)
    upper = [Shape3D](repeating: Shape3D(0, 0, 0), count: count)
  }

  /// Goes from run to run of equal labels.
  mutating func add<Label: FixedWidthInteger>(_ row: UnsafePointer<Label>, _ z: Int, _ y: Int, count: Int) {
    var x = 0
    while x < count {
      let label = row[x]
      let start = x
      repeat { x += 1 } while x < count && row[x] == label
      guard label != 0 else { continue }
      let index = Int(label)
      lower[index] = Shape3D(min(lower[index].z, z), min(lower[index].y, y), min(lower[index].x, start))
      upper[index] = Shape3D(max(upper[index].z, z + 1), max(upper[index].y, y + 1), max(upper[index].x, x))
    }
  }

  var dictionary: [Int: Box3D] {
    var boxes: [Int: Box3D] = [:]
    for index in upper.indices where upper[index].z > 0 {
      boxes[index] = Box3D(lower: lower[index], upper: upper[index])
    }
    return boxes
  }
}

extension Box3D {
  /// The smallest box around both.
  public func union(_ other: Box3D) -> Box3D {
    Box3D(
      lower: Shape3D(
        min(lower.z, other.lower.z), min(lower.y, other.lower.y), min(lower.x, other.lower.x)),
      upper: Shape3D(max(upper.z, other.upper.z), max(upper.y, other.upper.y), max(upper.x, other.upper.x)))
  }
}
