import Basics
import Checkpoints

/// A network as an ONNX model: what engines are given, and the format it is exported in.
///
/// The input is called `input`, the answer `output`; every parameter keeps its `state_dict` name as initialiser. Float32
/// throughout, unless it is quantised. Weights are not copied until the model is written.
public struct ONNXModel {
  /// How a network is written down.
  public struct Options: Sendable {
    /// The version of ONNX's operators; one of `operatorSets`.
    public var operatorSet = 17
    /// What the file says about itself, by name.
    public var metadata: [(key: String, value: String)] = []
    /// Where values are rounded to eight bits; nil for nowhere. Only for a single network.
    public var quantization: Quantization?

    public init() {}
  }

  /// The operator sets that can be written.
  public static let operatorSets = 11...22
  /// The size of the encoded model.
  public var byteCount: Int { message.byteCount }
  private let message: ProtobufMessage

  /// - Parameter inputShape: (N, C, spatial axes...). nil for an axis leaves its size open; nil for the whole leaves
  ///   everything open but the channels.
  ///
  /// Throws `badInput` when the network does not fit the shape, and when it is beyond the 2 GiB that one ONNX file
  /// without side files can hold.
  public init(_ network: Network, inputShape: [Int?]? = nil, options: Options = Options()) throws {
    try self.init(ensemble: [network], inputShape: inputShape, options: options)
  }

  /// Several networks of equal inputs and outputs as one, which gives the mean of their answers. Parameters of the network
  /// `k` of several are called `network_<k>.<name>`.
  public init(ensemble networks: [Network], inputShape: [Int?]? = nil, options: Options = Options()) throws {
    guard let graph = networks.first?.graph else { throw Failure(.internalError, "no network to write") }
    guard Self.operatorSets.contains(options.operatorSet) else {
      throw Failure(
        .usage, "ONNX operator set \(options.operatorSet) cannot be written",
        hint: "sets \(Self.operatorSets.lowerBound) to \(Self.operatorSets.upperBound) can")
    }
    let shape = inputShape ?? [nil, graph.inputChannels] + [Int?](repeating: nil, count: graph.spatialRank)
    var lowering = ONNXLowering(options: options)
    let content = try lowering.graph(of: networks, inputShape: shape)
    var model = ProtobufMessage()
    model.add(1, Self.representation(ofSet: options.operatorSet))
    model.add(2, "microtome")
    model.add(7, content)
    var operators = ProtobufMessage()
    operators.add(1, "")
    operators.add(2, options.operatorSet)
    model.add(8, operators)
    model.addMetadata(options.metadata)
    guard model.byteCount < 1 << 31 else {
      throw Failure(.badInput, "the network has \(model.byteCount >> 20) MiB of weights; ONNX holds less than 2 GiB")
    }
    message = model
  }

  /// The names of a graph's outputs: `output`, `output_1`, ...
  public static func outputNames(_ count: Int) -> [String] {
    (0..<count).map { $0 == 0 ? "output" : "output_\($0)" }
  }

  /// The version of the file format that came with an operator set; older programs refuse newer ones.
  private static func representation(ofSet set: Int) -> Int {
    switch set {
    case ..<12: 6
    case ..<15: 7
    case ..<19: 8
    case ..<21: 9
    default: 10
    }
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

extension ONNXFile {
  /// Lets a file say more about itself. Messages of protocol buffers that follow each other are one message, so what is
  /// there need not be understood. Throws `missingInput` when there is no such file, and `cannotWrite`.
  public static func append(_ metadata: [(key: String, value: String)], to path: String) throws {
    var more = ProtobufMessage()
    more.addMetadata(metadata)
    let content = try MappedFile(path: path)
    let file = try AtomicFile(path: path)
    try withExtendedLifetime(content) { try file.write(content.bytes) }
    try more.write(file.write)
    try file.commit()
  }
}

extension ProtobufMessage {
  fileprivate mutating func addMetadata(_ metadata: [(key: String, value: String)]) {
    for (key, value) in metadata {
      var entry = ProtobufMessage()
      entry.add(1, key)
      entry.add(2, value)
      add(14, entry)
    }
  }
}
