import Basics

/// A file with a network that engines read themselves, and what it says about it without being run.
public protocol NetworkFile: Sendable {
  var path: String { get }
  var inputs: [NetworkPort] { get }
  var outputs: [NetworkPort] { get }
}

/// Reads a file with a network, OpenVINO's where its name ends in `.xml`, ONNX otherwise.
///
/// Throws `missingInput` for a missing file, and `badInput` for one that is damaged or of another kind.
public func readNetworkFile(_ path: String) throws -> any NetworkFile {
  if path.hasSuffix(".xml") { return try OpenVINOFile.read(path) }
  return try ONNXFile.read(path)
}

/// An input or output of a network in a file.
public struct NetworkPort: Sendable, Equatable {
  public enum ElementType: Sendable, Equatable {
    case float32
    case float16
    /// By the name or number that the format has for it.
    case other(String)
  }

  public var name: String
  public var elementType: ElementType
  /// nil where the size is left open.
  public var shape: [Int?]
  /// Names of axes whose sizes are left open.
  public var axisNames: [String?]

  public init(name: String, elementType: ElementType, shape: [Int?], axisNames: [String?]) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
    self.axisNames = axisNames
  }
}

extension NetworkFile {
  /// The input and the answer of a segmentation network. Throws `badInput` for a model that is none: with several inputs,
  /// another type than float32, or other arrays than (N, C, Y, X) or (N, C, Z, Y, X).
  public func segmentationPorts() throws -> (input: NetworkPort, output: NetworkPort) {
    guard inputs.count == 1, let input = inputs.first, let output = outputs.first else {
      throw Failure(
        .badInput,
        "has \(inputs.count) input(s) and \(outputs.count) output(s); a segmentation network has one of each",
        file: path)
    }
    for port in [input, output] {
      guard port.elementType == .float32 else {
        throw Failure(
          .badInput, "\"\(port.name)\" is not in 32-bit floats (it is in \(port.elementType.name))", file: path,
          hint: "export the network with float32 inputs and outputs")
      }
    }
    guard (4...5).contains(input.shape.count) else {
      throw Failure(
        .badInput, "\"\(input.name)\" has \(input.shape.count) axes; images have 4 (N, C, Y, X) or 5 (N, C, Z, Y, X)",
        file: path)
    }
    guard output.shape.isEmpty || output.shape.count == input.shape.count else {
      throw Failure(
        .badInput, "\"\(output.name)\" has \(output.shape.count) axes, \"\(input.name)\" has \(input.shape.count)",
        file: path)
    }
    return (input, output)
  }
}

extension NetworkPort.ElementType {
  /// As people write it.
  public var name: String {
    switch self {
    case .float32: "float32"
    case .float16: "float16"
    case .other(let name): name
    }
  }
}
