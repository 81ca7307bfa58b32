import Basics

/// What an ONNX file says about itself: enough to tell whether and how it can be run, without its operations.
///
/// Field numbers: github.com/onnx/onnx, onnx/onnx.proto.
public struct ONNXFile: NetworkFile {
  public let path: String
  /// The version of ONNX's own operators.
  public let operatorSet: Int
  /// Who wrote it.
  public let producer: String
  public let metadata: [String: String]
  /// Without initialisers, which old files list too.
  public let inputs: [NetworkPort]
  public let outputs: [NetworkPort]
  /// The kinds of nodes it is made of: "Conv", ...
  public let operations: Set<String>

  /// Whether values are rounded to eight bits in it.
  public var isQuantized: Bool { operations.contains("QuantizeLinear") }
  /// Whether it wraps what one kind of device runs, instead of operations that any engine knows (onnxruntime.ai, "EP Context
  /// Design").
  public var isPrepared: Bool { operations.contains("EPContext") }

  /// The operator sets that engines are known to run. Those before had other rules for the sizes of arrays.
  public static let operatorSets = 7...26

  /// Reads a file, and looks whether the files with weights that it names are there.
  ///
  /// Throws `missingInput` for a missing file, and `badInput` for one that is truncated or not ONNX, and for an operator
  /// set that no engine runs.
  public static func read(_ path: String) throws -> ONNXFile {
    try locating(path) {
      let file = try MappedFile(path: path)
      return try withExtendedLifetime(file) { try ONNXFile(parsing: file.bytes, path: path) }
    }
  }

  /// - Parameter path: where the bytes came from, and beside what the files with weights lie.
  init(parsing bytes: UnsafeRawBufferPointer, path: String) throws {
    self.path = path
    var reader = ProtobufReader(bytes)
    var (version, set): (Int?, Int?)
    var graph: ProtobufReader?
    var metadata: [String: String] = [:]
    var producer = ""
    while let (field, value) = try reader.next() {
      switch field {
      case 1: version = try value.int()
      case 2: producer = try value.text()
      case 7: graph = try value.message()
      case 8:
        let entry = try Self.entry(value)
        if ["", "ai.onnx"].contains(entry.domain) { set = entry.version }
      case 14:
        let (key, value) = try Self.pair(value)
        metadata[key] = value
      default: break
      }
    }
    guard version != nil, let graph else { throw ProtobufReader.damage }
    guard let set else { throw Failure(.badInput, "does not say which operators of ONNX it uses") }
    guard Self.operatorSets.contains(set) else {
      throw Failure(
        .badInput,
        "uses ONNX operator set \(set); \(Self.operatorSets.lowerBound) to \(Self.operatorSets.upperBound) "
          + "can be run", hint: "export the network again with another operator set, such as 17")
    }
    operatorSet = set
    self.producer = producer
    self.metadata = metadata
    (inputs, outputs, operations) = try Self.content(graph, folder: Path.split(path).folder)
  }

  private static func content(_ graph: ProtobufReader, folder: String) throws -> (
    [NetworkPort], [NetworkPort], Set<String>
  ) {
    var graph = graph
    var initialisers: Set<String> = []
    var (inputs, outputs): ([NetworkPort], [NetworkPort]) = ([], [])
    var operations: Set<String> = []
    while let (field, value) = try graph.next() {
      switch field {
      case 1: operations.insert(try operation(value))
      case 5: initialisers.insert(try initialiser(value, folder: folder))
      case 11: inputs.append(try port(value))
      case 12: outputs.append(try port(value))
      default: break
      }
    }
    return (inputs.filter { !initialisers.contains($0.name) }, outputs, operations)
  }

  private static func operation(_ value: ProtobufReader.Value) throws -> String {
    var reader = try value.message()
    while let (field, value) = try reader.next() { if field == 4 { return try value.text() } }
    return ""
  }

  /// The name of an initialiser. Throws when its values lie in a file that is not there or too short.
  private static func initialiser(_ value: ProtobufReader.Value, folder: String) throws -> String {
    var reader = try value.message()
    var name = ""
    var isExternal = false
    var place: [String: String] = [:]
    while let (field, value) = try reader.next() {
      switch field {
      case 8: name = try value.text()
      case 13:
        let (key, value) = try pair(value)
        place[key] = value
      case 14: isExternal = try value.int() == 1
      default: break
      }
    }
    guard isExternal else { return name }
    guard let location = place["location"], !location.isEmpty, !location.hasPrefix("/"),
      !location.split(separator: "/").contains("..")
    else {
      throw Failure(
        .badInput, "keeps the weights \(name) outside of its own folder (\(place["location"] ?? "nowhere"))",
        hint: "such files are not opened; export the network with its weights inside")
    }
    let path = Path.join(folder, location)
    guard Path.isFile(path) else {
      throw Failure(
        .missingInput, "keeps its weights in the file \(location), which is not there",
        hint: "put it beside the model")
    }
    let (offset, length) = (Int(place["offset"] ?? "0") ?? -1, Int(place["length"] ?? "0") ?? -1)
    let size = try MappedFile(path: path).bytes.count
    guard offset >= 0, length >= 0, offset <= size, length <= size - offset else {
      throw Failure(.badInput, "keeps the weights \(name) in \(location), which is too short", hint: "copy it again")
    }
    return name
  }

  private static func port(_ value: ProtobufReader.Value) throws -> NetworkPort {
    var reader = try value.message()
    var port = NetworkPort(name: "", elementType: .other("no type"), shape: [], axisNames: [])
    while let (field, value) = try reader.next() {
      if field == 1 { port.name = try value.text() }
      guard field == 2 else { continue }
      var type = try value.message()
      while let (field, value) = try type.next() {
        guard field == 1 else { continue }
        var tensor = try value.message()
        while let (field, value) = try tensor.next() {
          if field == 1 { port.elementType = try elementType(value.int()) }
          if field == 2 { try addAxes(value, to: &port) }
        }
      }
    }
    return port
  }

  private static func elementType(_ number: Int) -> NetworkPort.ElementType {
    switch number {
    case 1: .float32
    case 10: .float16
    default: .other("ONNX's type \(number)")
    }
  }

  private static func addAxes(_ value: ProtobufReader.Value, to port: inout NetworkPort) throws {
    var shape = try value.message()
    while let (field, value) = try shape.next() {
      guard field == 1 else { continue }
      var axis = try value.message()
      var size: Int?
      var name: String?
      while let (field, value) = try axis.next() {
        if field == 1 { size = try value.int() }
        if field == 2 { name = try value.text() }
      }
      // Some writers mean an open size by 0 or -1.
      port.shape.append(size.flatMap { $0 > 0 ? $0 : nil })
      port.axisNames.append(name)
    }
  }

  private static func pair(_ value: ProtobufReader.Value) throws -> (key: String, value: String) {
    var reader = try value.message()
    var (key, content) = ("", "")
    while let (field, value) = try reader.next() {
      if field == 1 { key = try value.text() }
      if field == 2 { content = try value.text() }
    }
    return (key, content)
  }

  private static func entry(_ value: ProtobufReader.Value) throws -> (domain: String, version: Int) {
    var reader = try value.message()
    var (domain, version) = ("", 0)
    while let (field, value) = try reader.next() {
      if field == 1 { domain = try value.text() }
      if field == 2 { version = try value.int() }
    }
    return (domain, version)
  }
}
