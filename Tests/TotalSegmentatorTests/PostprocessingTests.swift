import Basics
import Foundation
import Imaging
import TestSupport
import Testing

@testable import TotalSegmentator

/// Drawn label maps and what TotalSegmentator makes of them; `Resources/make_postprocessing_golden.py` says how.
@Suite struct PostprocessingTests {
  @Test func goldens() throws {
    let file = try #require(Bundle.module.url(forResource: "Resources/postprocessing", withExtension: "json"))
    for golden in try #require(JSON.read(file.path).array) {
      let sizes = try #require(golden["shape"]?.ints)
      let millimetres = try #require(golden["spacing"]?.doubles)
      let shape = Shape3D(sizes[0], sizes[1], sizes[2])
      let spacing = Vector3D(millimetres[0], millimetres[1], millimetres[2])
      let seed = UInt64(try #require(golden["seed"]?.int))
      let name: Comment = "seed \(seed)"
      let labels = try #require(golden["from"]?.ints).map { UInt8($0) }
      let map = Volume.boxes(seed: seed, shape: shape, count: try #require(golden["count"]?.int), labels: labels)
      try #require(map.checksum == golden["data"]?.int)

      var separated = map
      try VertebraSeparation().separate(&separated, spacing: spacing)
      // The reference stops with an error where labels touch and a single part is large enough; this does not.
      if let expected = golden["separated"]?.int { #expect(separated.checksum == expected, name) }

      var refined = map
      let bodies = Volume.boxes(seed: seed + 1000, shape: shape, count: 12, labels: [0, 1, 2, 3])
      try VertebraSeparation().refine(&refined, bodies: bodies, spacing: spacing)
      #expect(refined.checksum == golden["refined"]?.int, name)

      let body = Volume.boxes(seed: seed + 2000, shape: shape, count: 12, labels: [0, 1, 1, 1])
      var generator = SeededGenerator(seed: seed + 3000)
      let image = Volume<Float>(
        shape: shape, elements: (0..<shape.count).map { _ in Float((generator.next() >> 33) % 600) - 300 })
      #expect(try BodyMasks.skin(of: body, image: image).checksum == golden["skin"]?.int, name)
    }
  }

  /// Two labels on one body: it is counted from the bottom, as the lower of the two, or from the top as C1.
  @Test func oneMixedUpVertebra() throws {
    let spacing = Vector3D(5, 5, 5)
    for (labels, expected) in [([8, 9], 9), ([1, 2], 1), ([1, 24], 24), ([30, 31], 0)] as [([UInt8], UInt8)] {
      var map = Volume<UInt8>(shape: Shape3D(2, 1, 1), elements: labels)
      var separation = VertebraSeparation()
      separation.growth = 0
      try separation.separate(&map, spacing: spacing)
      #expect(map.elements == [expected, expected])
    }
  }

  @Test func bodyIsTrunkAndExtremities() {
    let map = Volume<UInt8>(shape: Shape3D(1, 1, 5), elements: [0, 1, 2, 3, 1])
    #expect(BodyMasks.body(of: map).elements == [0, 1, 1, 0, 1])
  }

  @Test func shapesMustAgree() {
    let mask = Volume<UInt8>(shape: Shape3D(1, 2, 3), repeating: 1)
    #expect(throws: Failure.self) {
      try BodyMasks.skin(of: mask, image: Volume(shape: Shape3D(1, 3, 2), repeating: 0))
    }
    var map = mask
    #expect(throws: Failure.self) {
      try VertebraSeparation().refine(
        &map, bodies: Volume(shape: Shape3D(1, 3, 2), repeating: 1), spacing: Vector3D(1, 1, 1))
    }
  }

  /// 200 mm³ of 3.2 mm³ each: 62 voxels fit and are small, 63 are not.
  @Test func limitsAreVolumes() {
    #expect(VoxelVolume.voxels(in: 200, spacing: Vector3D(5, 0.8, 0.8)) == 62)
    #expect(VoxelVolume.voxels(in: 27, spacing: Vector3D(3, 3, 3)) == 1)
    #expect(VoxelVolume.voxels(in: 200, spacing: Vector3D(0, 1, 1)) == .max)
  }
}

extension Volume where Element == UInt8 {
  /// The label map `make_postprocessing_golden.py` draws.
  static func boxes(seed: UInt64, shape: Shape3D, count: Int, labels: [UInt8]) -> Volume {
    var generator = SeededGenerator(seed: seed)
    var map = Volume(shape: shape, repeating: 0)
    for _ in 0..<count {
      let draws = (0..<7).map { _ in Int(generator.next() >> 33) }
      let start = Shape3D(draws[0] % shape.z, draws[1] % shape.y, draws[2] % shape.x)
      for z in start.z..<min(shape.z, start.z + 1 + draws[3] % 8) {
        for y in start.y..<min(shape.y, start.y + 1 + draws[4] % 8) {
          for x in start.x..<min(shape.x, start.x + 1 + draws[5] % 8) { map[z, y, x] = labels[draws[6] % labels.count] }
        }
      }
    }
    return map
  }
}
