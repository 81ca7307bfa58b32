import Basics
import Checkpoints

/// A network as an ONNX model: what engines are given, and the format it is exported in.
///
/// The input is called `input`, the answer `output`; every parameter keeps its `state_dict` name as initialiser.
/// Operator set 17, float32 throughout. Weights are not copied until the model is written.
public struct ONNXModel {
  /// The operator set the nodes are taken from.
  public static let operatorSet = 17
  /// The size of the encoded model.
  public var byteCount: Int { message.byteCount }
  private let message: ProtobufMessage

  /// - Parameter inputShape: (N, C, spatial axes...). nil for an axis leaves its size open; nil for the whole leaves
  ///   everything open but the channels.
  ///
  /// Throws `badInput` when the network does not fit the shape, and when it is beyond the 2 GiB that one ONNX file
  /// without side files can hold.
  public init(_ network: Network, inputShape: [Int?]? = nil) throws {
    let graph = network.graph
    let shape = inputShape ?? [nil, graph.inputChannels] + [Int?](repeating: nil, count: graph.spatialRank)
    var lowering = ONNXLowering(network: network)
    let content = try lowering.graph(inputShape: shape)
    var model = ProtobufMessage()
    // IR version 8 came with operator set 15 and is read by every runtime that knows set 17.
    model.add(1, 8)
    model.add(2, "microtome")
    model.add(7, content)
    var operators = ProtobufMessage()
    operators.add(1, "")
    operators.add(2, Self.operatorSet)
    model.add(8, operators)
    guard model.byteCount < 1 << 31 else {
      throw Failure(.badInput, "the network has \(model.byteCount >> 20) MiB of weights; ONNX holds less than 2 GiB")
    }
    message = model
  }

  /// The encoded model.
  public func bytes() -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, filled in
      write(to: UnsafeMutableRawBufferPointer(buffer))
      filled = byteCount
    }
  }

  /// Writes the encoded model to the beginning of `buffer`, which must hold at least `byteCount` bytes.
  public func write(to buffer: UnsafeMutableRawBufferPointer) {
    var position = 0
    message.write { bytes in
      UnsafeMutableRawBufferPointer(rebasing: buffer[position...]).copyMemory(from: bytes)
      position += bytes.count
    }
  }

  /// Writes a file, atomically. Throws `cannotWrite`.
  public func write(toFile path: String) throws {
    let file = try AtomicFile(path: path)
    try message.write(file.write)
    try file.commit()
  }
}
