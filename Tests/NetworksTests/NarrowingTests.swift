import Basics
import Checkpoints
import TestSupport
import Testing

@testable import Networks

/// What is left of a wide network when most of its channels are useless.
@Suite struct NarrowingTests {
  private static func configuration(_ family: UNetConfiguration.Family, _ features: [Int]) -> UNetConfiguration {
    UNetConfiguration(
      family: family, spatialRank: 2, inputChannels: 1, outputChannels: 2, features: features,
      kernels: [[3, 3], [1, 3], [3, 3]], strides: [[1, 1], [2, 2], [1, 2]], blocksPerStage: [2, 1, 2],
      blocksPerDecoderStep: [1, 1])
  }

  /// Where the useful channels lie in an axis that has so many of them; no two axes of unlike meaning have equally many.
  private static func places(_ count: Int) -> [Int] {
    switch count {
    case 4: [0, 2, 3, 5]
    case 5: [1, 2, 4, 7, 8]
    case 7: [0, 1, 4, 6, 9, 10, 11]
    case 8: places(4) + places(4).map { $0 + 6 }
    case 10: places(5) + places(5).map { $0 + 9 }
    default: Array(0..<count)
    }
  }

  /// A wide network that computes what the narrow one does: the other channels are normalised to nothing, or, where there is
  /// no normalisation, never written.
  private static func widened(_ narrow: [String: Tensor], to graph: Graph) throws -> Network {
    var generator = SeededGenerator(seed: 5)
    var weights: [String: Tensor] = [:]
    for parameter in graph.parameters {
      let source = try #require(narrow[parameter.name])
      let isSilent = parameter.name.contains(".norm.") || parameter.name.contains("transpconvs")
      var values = (0..<parameter.count).map { _ in isSilent ? 0 : Float.random(in: -1...1, using: &generator) }
      let axes = source.shape.prefix(2).map(Self.places)
      let inner = source.shape.dropFirst(2).reduce(1, *)
      for (position, value) in source.floats().enumerated() {
        let (channel, offset) = position.quotientAndRemainder(dividingBy: inner)
        let place =
          axes.count == 1
          ? axes[0][channel]
          : axes[0][channel / source.shape[1]] * parameter.shape[1] + axes[1][channel % source.shape[1]]
        values[place * inner + offset] = value
      }
      weights[parameter.name] = try Tensor(floats: values, shape: parameter.shape)
    }
    return try Network(graph: graph, weights: weights)
  }

  @Test(arguments: [UNetConfiguration.Family.plain, .residualEncoder, .residual])
  func usefulChannelsAreKept(family: UNetConfiguration.Family) throws {
    let small = try Self.configuration(family, [4, 5, 7]).makeGraph(deepSupervision: true)
    var generator = SeededGenerator(seed: 2)
    let narrow = try Dictionary(
      uniqueKeysWithValues: small.parameters.map { parameter in
        let values = (0..<parameter.count).map { _ in Float.random(in: 0.5...1, using: &generator) }
        return (parameter.name, try Tensor(floats: values, shape: parameter.shape))
      })
    let wide = try Self.widened(narrow, to: Self.configuration(family, [6, 9, 12]).makeGraph())
    let kept = try wide.narrowed(to: small)
    // All but the heads that only training has.
    #expect(Set(kept.keys) == Set(narrow.keys.filter { !$0.contains("seg_layers.0.") }))
    for (name, tensor) in kept {
      #expect(tensor.shape == narrow[name]?.shape && tensor.floats() == narrow[name]?.floats(), "\(name)")
    }
  }

  @Test func unlikeNetworksAreRefused() throws {
    let wide = Self.configuration(.plain, [6, 9, 12])
    let graph = try wide.makeGraph()
    let ones = try graph.parameters.map {
      ($0.name, try Tensor(floats: [Float](repeating: 1, count: $0.count), shape: $0.shape))
    }
    let network = try Network(graph: graph, weights: Dictionary(uniqueKeysWithValues: ones))
    func failure(_ change: (inout UNetConfiguration) -> Void) throws -> Failure? {
      var other = wide
      change(&other)
      let graph = try other.makeGraph()
      return #expect(throws: Failure.self) { try network.narrowed(to: graph) }
    }
    #expect(try failure { $0.features = [6, 10, 12] }?.message.contains("fewer channels") == true)
    #expect(try failure { $0.outputChannels = 1 }?.message.contains("answers") == true)
    #expect(try failure { $0.inputChannels = 2 }?.message.contains("inputs") == true)
    #expect(try failure { $0.kernels[1] = [3, 3] }?.message.contains("kernel") == true)
    #expect(try failure { $0.blocksPerStage = [1, 1, 2] }?.message.contains("encoder.stages.0") == true)
    #expect(try failure { $0.family = .residualEncoder }?.kind == .usage)
  }
}
