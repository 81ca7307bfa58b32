import Basics
import Checkpoints
import Testing

@testable import Networks

/// Structure only; engines check that OpenVINO computes the same from it.
@Suite struct OpenVINOModelTests {
  private let configuration = UNetConfiguration(
    family: .residualEncoder, spatialRank: 3, inputChannels: 1, outputChannels: 2, features: [2, 3],
    kernels: [[1, 3, 3], [3, 3, 3]], strides: [[1, 1, 1], [1, 2, 2]], blocksPerStage: [1, 1],
    blocksPerDecoderStep: [1])

  /// Numbers counted through all parameters, in one block of memory in reverse order with gaps, or scattered.
  private func network(oneBlock: Bool, type: Tensor.ElementType = .float32) throws -> Network {
    let graph = try configuration.makeGraph()
    let floats = graph.parameters.reduce(0) { $0 + $1.count + 5 }
    var weights: [String: Tensor] = [:]
    let block = TensorStorage(count: floats * 4) { memory in
      for index in 0..<floats { memory.storeBytes(of: Float(index), toByteOffset: index * 4, as: Float.self) }
    }
    var position = floats
    for parameter in graph.parameters {
      position -= parameter.count + 5
      let tensor = try Tensor(elementType: .float32, shape: parameter.shape, storage: block, offset: position)
      if oneBlock {
        weights[parameter.name] = tensor
      } else if type == .float64 {
        let doubles = tensor.doubles()
        weights[parameter.name] = try Tensor(
          elementType: .float64, shape: parameter.shape,
          storage: TensorStorage(count: doubles.count * 8) { $0.copyBytes(from: doubles.withUnsafeBytes(Array.init)) })
      } else {
        // Far more memory than the network needs, so that neighbours are far apart.
        let storage = TensorStorage(count: 4 << 20) { memory in
          for (index, value) in tensor.floats().enumerated() {
            memory.storeBytes(of: value, toByteOffset: index * 4, as: Float.self)
          }
        }
        weights[parameter.name] = try Tensor(elementType: .float32, shape: parameter.shape, storage: storage)
      }
    }
    return try Network(graph: graph, weights: weights)
  }

  @Test(arguments: ["in place", "scattered", "doubles"]) func constantsPointAtTheWeights(memory: String) throws {
    let network = try network(oneBlock: memory == "in place", type: memory == "doubles" ? .float64 : .float32)
    let model = try OpenVINOModel(network, inputShape: [1, 1, 2, 4, 4])
    #expect(model.weights.isCopied == (memory != "in place"))
    var found: Set<String> = []
    for line in String(decoding: model.description, as: UTF8.self).split(separator: "\n")
    where line.contains("type=\"Const\"") {
      // <layer id name="PARAMETER AXES" ...><data ... offset="" size=""/>
      let name = try #require(attribute("name", line)?.split(separator: " ").first.map(String.init))
      let offset = try #require(attribute("offset", line).flatMap { Int($0) })
      let size = try #require(attribute("size", line).flatMap { Int($0) })
      let expected = try #require(network.weights[name]).floats().prefix(size / 4)
      try #require(offset >= 0 && offset + size <= model.weights.bytes.count)
      let values = (0..<size / 4).map {
        model.weights.bytes.loadUnaligned(fromByteOffset: offset + $0 * 4, as: Float.self)
      }
      #expect(values[...] == expected[...], "\(name)")
      if size == (network.weights[name]?.count ?? 0) * 4 { found.insert(name) }
    }
    #expect(found == Set(network.weights.keys))
  }

  @Test func edgesConnectLayersThatExist() throws {
    let model = try OpenVINOModel(network(oneBlock: true), inputShape: [nil, 1, 2, 4, 4])
    let lines = String(decoding: model.description, as: UTF8.self).split(separator: "\n")
    let layers = lines.filter { $0.hasPrefix("<layer ") }
    #expect(layers.enumerated().allSatisfy { attribute("id", $1) == "\($0)" })
    var ports = 0
    for edge in lines where edge.hasPrefix("<edge ") {
      let from = try #require(attribute("from-layer", edge).flatMap { Int($0) })
      let to = try #require(attribute("to-layer", edge).flatMap { Int($0) })
      #expect(from < to && to < layers.count)
      ports += 1
    }
    let inputs = layers.reduce(0) { sum, layer in
      sum + (layer.components(between: "<input>", and: "</input>")?.split(separator: "<port ").count ?? 0)
    }
    #expect(ports == inputs)
    #expect(layers.first?.contains("shape=\"?,1,2,4,4\"") == true)
    #expect(layers.filter { $0.contains("names=\"output\"") }.count == 1)
    #expect(layers.last?.contains("type=\"Result\"") == true)
  }

  private func attribute(_ name: String, _ text: Substring) -> String? {
    text.components(between: " \(name)=\"", and: "\"").map(String.init)
  }
}

extension Substring {
  fileprivate func components(between start: String, and end: String) -> Substring? {
    guard let first = firstRange(of: start), let last = self[first.upperBound...].firstRange(of: end) else {
      return nil
    }
    return self[first.upperBound..<last.lowerBound]
  }
}
