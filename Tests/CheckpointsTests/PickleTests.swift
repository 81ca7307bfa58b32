import Basics
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct PickleTests {
  @Test(arguments: 0...5)
  func readsWhatPythonWrites(protocol version: Int) throws {
    let things = try PickleFile.read(resource("things_\(version).pkl"))
    #expect(things["f8"]?.tensor?.doubles() == [0, 1, 2])
    #expect(things["fortran"]?.tensor?.shape == [2, 3])
    #expect(try things["fortran"]?.tensor?.integers() == [0, 1, 2, 3, 4, 5])
    #expect(try things["big endian"]?.tensor?.integers() == [0, 1, 2])
    #expect(try things["object"]?.json() == .array([.int(1), .string("two"), .null]))
    #expect(try things["text"]?.json() == .array([.string("a"), .string("bcd")]))
    #expect(
      try things["scalars"]?.json()
        == .array([.double(0.5), .double(0.25), .int(-3), .bool(true), .string("liver"), .int(200)]))
    #expect(things["ordered"]?.dictionary?[1]?.string == "one")
    #expect(try things["default"]?.json().text() == #"{"2": [1]}"#)
    #expect(try things["set"]?.json() == .array([.int(7)]))
    #expect(try things["frozenset"]?.json() == .array([.int(8)]))
    // Python prints a tuple as a key like this, and takes True and 1 for the same key.
    #expect(try things["tuple keys"]?.json().object?.keys == ["(1, 2)", "3", "null", "true"])
    guard case .bytes([0, 255])? = things["bytes"], case .bytes([97, 98, 99])? = things["bytearray"] else {
      Issue.record("bytes are missing")
      return
    }
    #expect(
      things["long"]?.sequence?.compactMap(\.int) == [
        1 << 40, -(1 << 40), 255, -1, 65535, Int(Int32.min), Int.max, Int.min,
      ])
    if version > 1 { #expect(try things["huge"]?.json() == .double(0x1p80)) }
    #expect(things["float"]?.sequence?.compactMap(\.double) == [1.5, 0, .infinity])
    #expect(things["float"]?.sequence?[1].double?.sign == .minus)
    #expect(things["text é"]?.string == "non-ASCII € 😀")
    #expect(things["long text"]?.string == String(repeating: "x", count: 300))
    #expect(try things["empty"]?.json().text() == #"[[], [], {}, "", ""]"#)
    guard case .object(let complex)? = things["complex"], case .object(let range)? = things["range"] else {
      Issue.record("unknown classes are not placeholders")
      return
    }
    #expect(complex.type.name == "complex" && complex.arguments.compactMap(\.double) == [1, 2])
    #expect(range.arguments.compactMap(\.int) == [0, 3, 1])
  }

  @Test func sharedListsStayShared() throws {
    // a = []; b = [a, a]; a.append(7) after it was put into b
    let stream: [UInt8] = [0x80, 2] + Array("]q\u{0}]q\u{1}(h\u{0}h\u{0}e0h\u{0}K\u{7}ah\u{1}.".utf8)
    #expect(try PickleFile.value(of: stream).json().text() == "[[7], [7]]")
  }

  @Test func repeatedKeysTakeTheLastValue() throws {
    let stream =
      Array("}(K\u{1}K\u{2}\u{58}\u{1}\u{0}\u{0}\u{0}aN".utf8) + [0x88, UInt8(ascii: "K"), 9] + Array("u.".utf8)
    #expect(try PickleFile.value(of: stream).json().text() == #"{"1": 9, "a": null}"#)
  }

  @Test func plansOfVersion1BecomeJSON() throws {
    let plans = try PickleFile.json(resource("v1_plans.pkl"))
    #expect(plans["modalities"]?["0"] == .string("CT"))
    let stage = try #require(plans["plans_per_stage"]?["0"])
    #expect(stage["patch_size"] == .array([.int(40), .int(56), .int(40)]))
    #expect(stage["current_spacing"]?.doubles == [1, 0.75, 0.75])
    #expect(stage["pool_op_kernel_sizes"]?.text() == "[[2, 2, 2], [1, 2, 2]]")
    #expect(stage["do_dummy_2D_data_aug"] == .bool(false))
    #expect(plans["dataset_properties"]?["intensityproperties"]?["0"]?["sd"] == .double(2))
    #expect(plans["keep_only_largest_region"] == .null)
    #expect(plans.object?.keys.first == "num_stages")
  }

  @Test func whatIsWrittenIsReadBack() throws {
    let value = PickleValue.dictionary(
      PickleDictionary([
        ("none", .none), ("truth", .list([.bool(true), .bool(false)])),
        ("ints", .tuple([0, 255, 256, -1, 65536, Int.max, Int.min].map { .int($0) })),
        ("floats", .list([.float(0.1), .float(-.infinity)])),
        ("text", .string("é" + String(repeating: "y", count: 999))),
        ("bytes", .bytes([UInt8](repeating: 3, count: 300))), ("empty", .tuple([])),
        ("set", .set([.int(4)])), ("array", .tensor(try Tensor(floats: ramp(6), shape: [2, 3]))),
        ("function", .global(PickleGlobal("a.b", "c"))),
      ]))
    let bytes = try PickleWriter.bytes(of: value)
    #expect(bytes == (try PickleWriter.bytes(of: value)))
    let back = try PickleFile.value(of: bytes)
    #expect(try back.json() == value.json())
    #expect(back["array"]?.tensor?.floats() == ramp(6))
    #expect(throws: Failure.self) {
      try PickleWriter.bytes(of: .object(PickleObject(type: PickleGlobal("a", "b"), arguments: [], state: nil)))
    }
  }

  @Test(.enabled(if: ReferenceData.isPresent, ReferenceData.absence))
  func readsPropertiesOfAPrediction() throws {
    let properties = try PickleFile.json(ReferenceData.data("reference/h3d_f01_prob/hippocampus_008.pkl"))
    #expect(
      properties.text() == #"{"sitk_stuff": {"spacing": [1.0, 1.0, 1.0], "origin": [-1.0, -1.0, 1.0], "direction": "#
        + #"[-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0]}, "spacing": [1.0, 1.0, 1.0], "#
        + #""shape_before_cropping": [40, 48, 36], "bbox_used_for_cropping": [[0, 40], [0, 48], [0, 36]], "#
        + #""shape_after_cropping_and_before_resampling": [40, 48, 36]}"#)
  }
}
