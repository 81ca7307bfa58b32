import Basics
import Foundation
import Imaging
import TestSupport
import Testing

@testable import FastnnUNet

/// Operations on labels, against what scipy and cc3d make of the same maps; `Resources/make_operations.py` has made it.
@Suite struct LabelOperationTests {
  private let golden: JSON
  private let operations: [LabelOperation]

  init() throws {
    let path = try #require(Bundle.module.url(forResource: "Resources/operations", withExtension: "json")).path
    golden = try JSON.read(path)
    operations = try LabelOperation.list(LocatedJSON(file: path, document: try #require(golden["steps"])))
  }

  private func table(_ count: Int) -> LabelTable {
    var table = LabelTable()
    for label in 1...count { table.add("label\(label)", label) }
    return table
  }

  @Test func equalTheReference() throws {
    let resolved = try table(9).resolve(operations)
    for json in try #require(golden["cases"]?.array) {
      func number(_ key: String) throws -> Int { try #require(json[key]?.int) }
      let sizes = try #require(json["shape"]?.ints)
      let map = Volume<UInt8>.drawnCubes(
        seed: UInt64(try number("seed")), shape: Shape3D(sizes[0], sizes[1], sizes[2]), block: try number("block"),
        permille: try number("permille"), number: try number("number"))
      #expect(try map.checksum == number("labels"))
      let zyx = try #require(json["spacing"]?.doubles)
      let spacing = Vector3D(zyx[0], zyx[1], zyx[2])
      for (step, expected) in zip(resolved, try #require(json["results"]?.ints)) {
        let name: Comment = "\(step.operation), seed \(json["seed"]?.int ?? 0)"
        var labels = LabelMap.uint8(map)
        try step.apply(to: &labels, spacing: spacing)
        #expect(labels.bytes?.checksum == expected, name)
        // The same with labels of 16 bits.
        guard try number("seed") % 4 == 0 else { continue }
        var wide = LabelMap.uint16(Volume(shape: map.shape, elements: map.elements.map(UInt16.init)))
        try step.apply(to: &wide, spacing: spacing)
        #expect(wide.bytes?.checksum == expected, name)
      }
      var labels = LabelMap.uint8(map)
      for index in [11, 12, 6, 0] { try resolved[index].apply(to: &labels, spacing: spacing) }
      #expect(try labels.bytes?.checksum == number("sequence"), "seed \(json["seed"]?.int ?? 0)")
    }
  }

  /// What is written is read again, in all its spellings.
  @Test func survivesItsFile() throws {
    let text = JSON.array(operations.map(\.json)).text()
    let again = try LabelOperation.list(
      LocatedJSON(file: "operations", document: try JSON(parsing: Array(text.utf8))))
    #expect(again == operations)
  }

  @Test func emptyMapsAndWideLabels() throws {
    let resolved = try table(9).resolve(operations)
    for shape in [Shape3D(2, 3, 4), Shape3D(0, 3, 4)] {
      var labels = LabelMap.uint8(Volume(shape: shape, repeating: 0))
      for step in resolved { try step.apply(to: &labels, spacing: Vector3D(1, 1, 1)) }
      #expect(labels.maximum == 0)
    }
    var labels = LabelMap.uint8(Volume(shape: Shape3D(1, 1, 3), elements: [1, 2, 0]))
    let step = try table(9).resolve([.reassign(.some([.name("label2")]), to: .number(300))])[0]
    try step.apply(to: &labels, spacing: Vector3D(1, 1, 1))
    guard case .uint16(let wide) = labels else { throw Failure(.internalError, "300 does not fit into bytes") }
    #expect(wide.elements == [1, 300, 0])
  }

  /// What is wrong, and the word that tells.
  @Test(arguments: [
    (#"[{"operation": "keep_larges"}]"#, "keep_largest"), (#"[{"labels": [1]}]"#, "operation"),
    (#"[{"operation": "opening"}]"#, "radius"), (#"[{"operation": "closing", "radius": 0}]"#, "above 0"),
    (#"[{"operation": "closing", "radius": 1, "radius_mm": 1}]"#, "either"),
    (#"[{"operation": "opening", "radius": 1000}]"#, "at most"),
    (#"[{"operation": "remove_small"}]"#, "min_voxels"),
    (#"[{"operation": "remove_small", "min_voxels": 1.5}]"#, "whole number"),
    (#"[{"operation": "fill_holes", "radius": 2}]"#, "radius"),
    (#"[{"operation": "fill_holes", "labels": [true]}]"#, "label"),
    (#"[{"operation": "fill_holes", "labels": []}]"#, "no label"),
    (#"[{"operation": "keep_largest", "connectivity": 8}]"#, "26"), (#"[{"operation": "reassign"}]"#, "\"to\""),
    (#"{"steps": []}"#, "postprocessing"), (#"[1]"#, "operation"), ("[", "JSON"),
  ]) func refuses(text: String, word: String) throws {
    let folder = try TemporaryFolder()
    try AtomicFile.write(Array(text.utf8), to: folder("steps.json"))
    let failure = #expect(throws: Failure.self) { try LabelOperation.read(folder("steps.json")) }
    #expect(failure?.kind == .badInput && failure?.file == folder("steps.json"))
    #expect(failure?.description.contains(word) == true, "\(failure?.description ?? "")")
  }

  @Test func refusesUnknownLabels() throws {
    let known = table(3)
    for reference in [LabelReference.name("lable1"), .number(4)] {
      let failure = #expect(throws: Failure.self) {
        try known.resolve([.fillHoles(.some([reference]), perSlice: false)])
      }
      #expect(failure?.kind == .badInput && failure?.description.contains("label1") == true)
    }
    var twice = known
    twice.add("label1", 4)
    #expect(throws: Failure.self) { try twice.resolve([.fillHoles(.some([.name("label1")]), perSlice: false)]) }
    // A radius in mm may be too many voxels of an image.
    let step = try known.resolve([.opening(.all, .millimetres(30))])[0]
    var labels = LabelMap.uint8(Volume(shape: Shape3D(2, 2, 2), repeating: 1))
    #expect(throws: Failure.self) { try step.apply(to: &labels, spacing: Vector3D(1, 1, 0.1)) }
  }
}

extension LabelMap {
  /// The labels, all of which fit.
  fileprivate var bytes: Volume<UInt8>? {
    switch self {
    case .uint8(let volume): volume
    case .uint16(let volume):
      Volume(shape: volume.shape, elements: volume.elements.map { UInt8(truncatingIfNeeded: $0) })
    }
  }
}
