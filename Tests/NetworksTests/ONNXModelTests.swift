import Basics
import Checkpoints
import TestSupport
import Testing

@testable import Networks

/// Reads the wire format back with a decoder that knows nothing of the encoder. (Engines check that runtimes agree.)
@Suite struct ONNXModelTests {
  private let configuration = UNetConfiguration(
    family: .residualEncoder, spatialRank: 3, inputChannels: 1, outputChannels: 2, features: [2, 3],
    kernels: [[1, 3, 3], [3, 3, 3]], strides: [[1, 1, 1], [1, 2, 2]], blocksPerStage: [1, 1],
    blocksPerDecoderStep: [1])

  private func network() throws -> Network {
    let graph = try configuration.makeGraph()
    var weights = try zeroWeights(graph)
    var next: Float = 0
    for parameter in graph.parameters {
      let values = (0..<parameter.count).map { _ in
        next += 0.5
        return next
      }
      weights[parameter.name] = try Tensor(floats: values, shape: parameter.shape)
    }
    return try Network(graph: graph, weights: weights)
  }

  @Test func holdsEveryParameterUnderItsName() throws {
    let network = try network()
    let model = try ONNXModel(network)
    let bytes = model.bytes()
    #expect(bytes.count == model.byteCount)
    let graph = try #require(Field.all(bytes).first { $0.number == 7 }?.children)
    let initialisers = graph.filter { $0.number == 5 }.map(\.children)
    #expect(Set(initialisers.map { $0.text(8) }) == Set(network.graph.parameters.map(\.name)))
    for initialiser in initialisers {
      let tensor = try #require(network.weights[initialiser.text(8) ?? ""])
      #expect(initialiser.filter { $0.number == 1 }.map(\.value) == tensor.shape.map(UInt64.init))
      let data = try #require(initialiser.first { $0.number == 9 }?.bytes)
      let values = data.withUnsafeBytes { raw in
        (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
      }
      #expect(values == tensor.floats())
    }
  }

  @Test func nodesFollowTheGraph() throws {
    let network = try network()
    let graph = try #require(
      try Field.all(ONNXModel(network, inputShape: [1, 1, 2, 4, 4]).bytes()).first { $0.number == 7 }?.children)
    let nodes = graph.filter { $0.number == 1 }.map(\.children)
    #expect(nodes.map { $0.text(3) } == network.graph.nodes.map(\.name))
    #expect(
      nodes.prefix(7).map { $0.text(4) } == [
        "Conv", "InstanceNormalization", "LeakyRelu", "Conv", "InstanceNormalization", "LeakyRelu", "Conv",
      ])
    #expect(
      Set(nodes.compactMap { $0.text(4) }) == [
        "Conv", "InstanceNormalization", "LeakyRelu", "Add", "AveragePool", "ConvTranspose", "Concat",
      ])
    #expect(nodes.last?.text(2) == "output")
    // Every input of a node is the input, an initialiser or an earlier result.
    var known = Set(graph.filter { $0.number == 5 }.compactMap { $0.children.text(8) } + ["input"])
    for node in nodes {
      for input in node where input.number == 1 {
        #expect(known.contains(String(decoding: input.bytes, as: UTF8.self)))
      }
      known.insert(node.text(2) ?? "")
    }
    let shape = graph.first { $0.number == 12 }?.children.child(2)?.child(1)?.child(2)
    #expect(shape?.compactMap { $0.children.first?.value } == [1, 2, 2, 4, 4])
  }

  @Test func leavesAxesOpen() throws {
    let model = try ONNXModel(network(), inputShape: [nil, 1, 2, 4, 4])
    let graph = try #require(Field.all(model.bytes()).first { $0.number == 7 }?.children)
    let shape = try #require(graph.first { $0.number == 11 }?.children.child(2)?.child(1)?.child(2))
    #expect(shape.first?.children.text(2) == "batch")
    #expect(shape.dropFirst().compactMap { $0.children.first?.value } == [1, 2, 4, 4])
    #expect(throws: Failure.self) { try ONNXModel(network(), inputShape: [1, 1, 2, 4, 5]) }
    #expect(throws: Failure.self) { try ONNXModel(network(), inputShape: [1, 1]) }
    #expect(throws: Failure.self) { try ONNXModel(network(), inputShape: [nil, nil]) }
  }

  @Test func filesHoldTheSameBytes() throws {
    let folder = try TemporaryFolder()
    let model = try ONNXModel(network())
    try model.write(toFile: folder("network.onnx"))
    #expect(try Path.read(folder("network.onnx")) == model.bytes())
    #expect(try Path.list(folder.path) == ["network.onnx"])
  }
}

/// One field of a protobuf message.
private struct Field {
  var number: Int
  var value: UInt64
  var bytes: [UInt8]

  var children: [Field] { Field.all(bytes) }

  static func all(_ bytes: [UInt8]) -> [Field] {
    var fields: [Field] = []
    var rest = bytes[...]
    func varint() -> UInt64 {
      var value: UInt64 = 0
      var shift: UInt64 = 0
      while let byte = rest.popFirst() {
        value |= UInt64(byte & 0x7F) << shift
        shift += 7
        if byte < 0x80 { break }
      }
      return value
    }
    while !rest.isEmpty {
      let key = varint()
      var field = Field(number: Int(key >> 3), value: 0, bytes: [])
      switch key & 7 {
      case 0: field.value = varint()
      case 2:
        let count = Int(varint())
        field.bytes = Array(rest.prefix(count))
        rest = rest.dropFirst(count)
      case 5: rest = rest.dropFirst(4)
      default: Issue.record("wire type \(key & 7)")
      }
      fields.append(field)
    }
    return fields
  }
}

extension [Field] {
  fileprivate func child(_ number: Int) -> [Field]? { first { $0.number == number }?.children }

  fileprivate func text(_ number: Int) -> String? {
    first { $0.number == number }.map { String(decoding: $0.bytes, as: UTF8.self) }
  }
}
