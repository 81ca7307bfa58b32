import Basics
import Imaging
import TestSupport
import Testing

/// Label maps, masks and their results in the original tools; `Resources/make_morphology_golden.py` makes them.
@Suite struct MorphologyTests {
  struct Case {
    let json: JSON
    let map: Volume<UInt8>

    var mask: Volume<UInt8> { Volume(shape: map.shape, elements: map.elements.map { $0 == 0 ? 0 : 1 }) }
    var name: Comment { "seed \(json["seed"]?.int ?? 0), \(map.shape)" }

    static func all() throws -> [Case] {
      try #require(JSON.read(Golden.path("morphology.json")).array).map { json in
        func number(_ key: String) throws -> Int { try #require(json[key]?.int) }
        let sizes = try #require(json["shape"]?.ints)
        let map = Volume<UInt8>.drawnCubes(
          seed: UInt64(try number("seed")), shape: Shape3D(sizes[0], sizes[1], sizes[2]), block: try number("block"),
          permille: try number("permille"), number: try number("number"))
        #expect(try map.checksum == number("labels"))
        return Case(json: json, map: map)
      }
    }
  }

  /// cc3d's components for all labels and connectivities; TotalSegmentator's own filters on arrays (x, y, z).
  @Test func componentFiltersEqualTheReference() throws {
    for golden in try Case.all() {
      for (connectivity, expected) in zip(Connectivity.allCases, try #require(golden.json["small"]?.ints)) {
        var map = golden.map
        map.removeSmallComponents(atMost: 7, connectivity: connectivity)
        #expect(map.checksum == expected, golden.name)
      }
      let reference = try #require(golden.json["reference"]?.ints)
      var small = golden.map
      small.removeSmallComponents(of: [1, 3], atMost: 6)
      #expect(small.checksum == reference[0], golden.name)
      var largest = golden.map
      largest.keepLargestComponent(of: 1, order: .xSlowest)
      #expect(largest.checksum == reference[1], golden.name)
      largest = golden.map
      largest.keepLargestComponent(of: 1, order: .xFastest)
      #expect(largest.checksum == golden.json["largest"]?.int, golden.name)
    }
  }

  @Test func measurementsEqualTheReference() throws {
    for golden in try Case.all() {
      let found = MeasuredComponents(of: golden.map, order: .xSlowest).components
      #expect(found.count == golden.json["count"]?.int, golden.name)
      #expect(found.map(\.size).withUnsafeBytes { crc32($0) } == golden.json["sizes"]?.int, golden.name)
      let centers = found.flatMap(\.centroid.axes)
      #expect(centers.withUnsafeBytes { crc32($0) } == golden.json["centers"]?.int, golden.name)
      #expect(golden.map.hasTouchingLabels == golden.json["touching"]?.bool, golden.name)
      let box = golden.map.boundingBox(of: [1, 4, 200])
      #expect((box.map { $0.lower.axes + $0.upper.axes } ?? []) == golden.json["box"]?.ints, golden.name)
    }
  }

  /// scipy.ndimage with the default cross and border value 0.
  @Test func crossMorphologyEqualsTheReference() throws {
    for golden in try Case.all() {
      let operations: [(String, (inout Volume<UInt8>, Int) -> Void)] = [
        ("dilated", { $0.dilate(iterations: $1) }), ("eroded", { $0.erode(iterations: $1) }),
        ("closed", { $0.close(iterations: $1) }), ("opened", { $0.open(iterations: $1) }),
      ]
      for (name, operation) in operations {
        for (iterations, expected) in zip([1, 2, 3, 17], try #require(golden.json[name]?.ints)) {
          var mask = golden.map
          operation(&mask, iterations)
          #expect(mask.checksum == expected, "\(name) \(iterations) times, \(golden.name)")
        }
        var mask = golden.mask
        operation(&mask, 0)
        #expect(mask.elements == golden.mask.elements)
      }
      var filled = golden.mask
      filled.fillHoles()
      #expect(filled.checksum == golden.json["filled"]?.int, golden.name)
      filled = golden.mask
      filled.fillHolesInSlices()
      #expect(filled.checksum == golden.json["filledSlices"]?.int, golden.name)
    }
  }

  /// TotalSegmentator's growth of vertebrae, with voxel sizes in 32 bits as from a header.
  @Test func labelDilationEqualsTheReference() throws {
    let growth: [(Double, Vector3D)] = [
      (3, Vector3D(1.5, 1.5, 1.5)), (2, Vector3D(5, 0.9, 0.9)), (2, Vector3D(0.4, 0.7, 0.7)),
      (3, Vector3D(1.25, 0.8, 0.9)), (1, Vector3D(1, 1, 1)), (2, Vector3D(3, 2, 1)), (3, Vector3D(0.9, 1.1, 1.3)),
      (0, Vector3D(1, 1, 1)),
    ]
    for golden in try Case.all() {
      for ((radius, spacing), expected) in zip(growth, try #require(golden.json["grown"]?.ints)) {
        var map = golden.map
        try map.dilateLabels(radius: radius, spacing: spacing)
        #expect(map.checksum == expected, "\(radius) mm, \(spacing), \(golden.name)")
      }
      var map = golden.map
      try map.dilateLabels([2, 3], radius: 2.5, spacing: Vector3D(1, 1, 1))
      #expect(map.checksum == golden.json["grownSome"]?.int, golden.name)
    }
  }

  @Test func emptyVolumes() throws {
    for shape in [Shape3D(0, 3, 4), Shape3D(2, 0, 4), Shape3D(2, 3, 0)] {
      var map = Volume<UInt8>(shape: shape, repeating: 0)
      map.removeSmallComponents(atMost: 3)
      map.keepLargestComponent(of: 1, order: .xSlowest)
      map.dilate(iterations: 2)
      map.erode()
      map.fillHoles()
      map.fillHolesInSlices()
      try map.dilateLabels(radius: 3, spacing: Vector3D(1, 1, 1))
      #expect(map.boundingBox() == nil)
      #expect(!map.hasTouchingLabels)
      #expect(MeasuredComponents(of: map, order: .xSlowest).components.isEmpty)
      #expect(BitMask(map).count == 0)
    }
  }

  /// What a header may claim; and kernels and counts far larger than the volume.
  @Test func extremes() throws {
    var map = Volume<UInt8>(shape: Shape3D(3, 4, 5), repeating: 0)
    map[2, 0, 1] = 7
    for size in [0, -1, .nan, .infinity, 1e-9] {
      #expect(throws: Failure.self) { try map.dilateLabels(radius: 3, spacing: Vector3D(1, size, 1)) }
    }
    var grown = map
    try grown.dilateLabels(radius: 3, spacing: Vector3D(0.001, 0.002, 0.01))
    #expect(grown.elements.allSatisfy { $0 == 7 })
    grown = map
    grown.dilate(iterations: .max)
    #expect(grown.elements.allSatisfy { $0 == 1 })
    grown.erode(iterations: .max)
    #expect(grown.elements.allSatisfy { $0 == 0 })
    grown = map
    grown.removeSmallComponents(atMost: .max)
    #expect(grown.elements.allSatisfy { $0 == 0 })
  }

  /// Two components of two voxels each: which comes first depends on which axis is the slowest.
  @Test func tiesGoToTheFirstInScanOrder() {
    var map = Volume<UInt8>(shape: Shape3D(2, 1, 6), repeating: 0)
    for (z, x) in [(0, 3), (0, 4), (1, 0), (1, 1)] { map[z, 0, x] = 9 }
    var first = map
    first.keepLargestComponent(of: 9, order: .xFastest)
    #expect(first.elements == [0, 0, 0, 9, 9, 0, 0, 0, 0, 0, 0, 0])
    first = map
    first.keepLargestComponent(of: 9, order: .xSlowest)
    #expect(first.elements == [0, 0, 0, 0, 0, 0, 9, 9, 0, 0, 0, 0])
  }
}
