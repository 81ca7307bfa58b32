import Basics
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct SafetensorsTests {
  @Test func whatIsWrittenIsReadBack() throws {
    let folder = try TemporaryFolder()
    var tensors = StateDictionary()
    tensors["b"] = try Tensor(floats: ramp(6), shape: [2, 3])
    tensors["a"] = try Tensor(elementType: .int16, shape: [2], storage: TensorStorage([1, 0, 2, 0]))
    let base = try Tensor(floats: ramp(6), shape: [2, 3])
    tensors["c"] = try Tensor(elementType: .float32, shape: [3, 2], strides: [1, 3], storage: base.storage)
    try SafetensorsFile.write(tensors, to: folder("x.safetensors"), metadata: ["made": "by a test"])
    let back = try StateDictionary.open(folder("x.safetensors"))
    #expect(back.names == ["b", "a", "c"])
    #expect(back["b"]?.floats() == ramp(6))
    #expect(try back["a"]?.integers() == [1, 2])
    #expect(back["c"]?.floats() == tensors["c"]?.floats())
  }

  @Test(arguments: [
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,  // less than the 16 bytes there are
    #"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[3],"data_offsets":[4,16]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}"#,
    #"{"a":{"dtype":"F32","shape":[5],"data_offsets":[0,20]}}"#,
    #"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,12]}}"#,
    #"{"a":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}}"#,
    #"{"a":{"dtype":"F32","shape":[4],"data_offsets":[-16,0]}}"#,
    #"{"a":{"dtype":"F32","shape":[-4],"data_offsets":[0,16]}}"#,
    #"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,16]}}"#,
    #"{"a":{"dtype":"F8_E4M3","shape":[16],"data_offsets":[0,16]}}"#,
    #"{"a":{"dtype":"F32","shape":[4]}}"#, #"{"a":1}"#, #"{"#, #"{}"#,
  ])
  func headersThatLieAreRefused(header: String) throws {
    let folder = try TemporaryFolder()
    var bytes: [UInt8] = []
    bytes.append(littleEndian: UInt64(header.utf8.count))
    try AtomicFile.write(bytes + Array(header.utf8) + [UInt8](repeating: 0, count: 16), to: folder("x"))
    #expect(throws: Failure.self) { try StateDictionary.open(folder("x")) }
  }

  @Test func truncationsFail() throws {
    let bytes = try Path.read(resource("types.safetensors"))
    let folder = try TemporaryFolder()
    for part in 0..<16 {
      try AtomicFile.write(Array(bytes.prefix(bytes.count * part / 16)), to: folder("x"))
      #expect(throws: Failure.self) { try StateDictionary.open(folder("x")) }
    }
  }
}
