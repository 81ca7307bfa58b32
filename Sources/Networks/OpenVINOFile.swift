import Basics

/// What a file in OpenVINO's intermediate representation says about its network: what goes in and what comes out.
///
/// Format: docs.openvino.ai, "OpenVINO IR format". The weights lie in the file of the same name that ends in `.bin`.
public struct OpenVINOFile: NetworkFile {
  public let path: String
  /// Inputs and outputs in the order of the file. Outputs carry the names of their layers.
  public let inputs: [NetworkPort]
  public let outputs: [NetworkPort]

  /// Reads a file, and looks whether its weights are there.
  ///
  /// Throws `missingInput` for a missing file, and `badInput` for one that is truncated or describes no network.
  public static func read(_ path: String) throws -> OpenVINOFile {
    try locating(path) {
      let text = try MappedFile(path: path)
      let file = try withExtendedLifetime(text) { try OpenVINOFile(parsing: text.bytes, path: path) }
      let weights = (path.hasSuffix(".xml") ? String(path.dropLast(4)) : path) + ".bin"
      guard Path.isFile(weights) else {
        throw Failure(
          .missingInput, "keeps its weights in the file \(Path.split(weights).name), which is not there",
          hint: "put it beside the model")
      }
      let size = try MappedFile(path: weights).bytes.count
      guard file.weightBytes <= size else {
        throw Failure(.badInput, "needs more weights than \(Path.split(weights).name) holds", hint: "copy both again")
      }
      return file
    }
  }

  /// Where the last of the weights ends.
  private let weightBytes: Int

  /// - Parameter path: where the bytes came from.
  init(parsing bytes: UnsafeRawBufferPointer, path: String) throws {
    var tags = XMLTags(bytes)
    var (inputs, outputs): ([NetworkPort], [NetworkPort]) = ([], [])
    var open: [String] = []
    var layer: (type: String, port: NetworkPort)?
    var end = 0
    while let item = try tags.next() {
      switch item {
      case .begin(let name, let attributes):
        if open.isEmpty, name != "net" { throw Failure(.badInput, "is no network of OpenVINO's") }
        open.append(name)
        if name == "layer" {
          layer = (
            attributes["type"] ?? "",
            NetworkPort(name: attributes["name"] ?? "", elementType: .other(""), shape: [], axisNames: [])
          )
        }
        if name == "data", layer?.type == "Const", let offset = attributes["offset"], let size = attributes["size"] {
          guard let offset = Int(offset), let size = Int(size), offset >= 0, size >= 0, offset <= Int.max - size else {
            throw XMLTags.damage
          }
          end = max(end, offset + size)
        }
        if name == "port", let precision = attributes["precision"] { layer?.port.elementType = Self.type(precision) }
      case .text(let text):
        guard open.last == "dim", open.contains("port") else { continue }
        guard let size = Int(text) else { throw XMLTags.damage }
        layer?.port.shape.append(size > 0 ? size : nil)
        layer?.port.axisNames.append(nil)
      case .end(let name):
        guard open.popLast() == name else { throw XMLTags.damage }
        guard name == "layer", let ended = layer else { continue }
        // An input has one port, where its values come out; an output one where they go in.
        if ended.type == "Parameter" { inputs.append(ended.port) }
        if ended.type == "Result" { outputs.append(ended.port) }
        layer = nil
      }
    }
    guard open.isEmpty, !inputs.isEmpty, !outputs.isEmpty else { throw XMLTags.damage }
    self.path = path
    self.inputs = inputs
    self.outputs = outputs
    weightBytes = end
  }

  private static func type(_ precision: String) -> NetworkPort.ElementType {
    switch precision {
    case "FP32": .float32
    case "FP16": .float16
    default: .other(precision)
    }
  }
}
