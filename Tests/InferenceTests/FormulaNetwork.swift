import Engines
import Imaging

/// A network whose logits are a formula of its input, so that tests know the answer without an engine.
///
/// `formula(channel, input value, index in the patch)`; the index makes predictions differ from tile to tile, as a real
/// network's do.
final class FormulaNetwork: CompiledNetwork {
  let inputShape: [Int]
  let outputShape: [Int]
  let isChannelsLast: Bool
  let precision = Precision.fp32
  let engineName = "formula"
  let concurrentRequests: Int
  let notes: [String] = []
  let formula: @Sendable (Int, Float, Int) -> Float

  init(
    patch: [Int], inputs: Int = 1, outputs: Int, batch: Int = 1, concurrentRequests: Int = 3,
    isChannelsLast: Bool = false,
    formula: @escaping @Sendable (Int, Float, Int) -> Float
  ) {
    inputShape = [batch, inputs] + patch
    outputShape = [batch, outputs] + patch
    self.concurrentRequests = concurrentRequests
    self.isChannelsLast = isChannelsLast
    self.formula = formula
  }

  func makeRequest() throws -> any InferenceRequest { Request(self) }

  private final class Request: InferenceRequest {
    private let network: FormulaNetwork
    let input: UnsafeMutableBufferPointer<Float>
    private let output: UnsafeMutableBufferPointer<Float>

    init(_ network: FormulaNetwork) {
      self.network = network
      input = .allocate(capacity: network.inputShape.reduce(1, *))
      output = .allocate(capacity: network.outputShape.reduce(1, *))
    }

    deinit {
      input.deallocate()
      output.deallocate()
    }

    func start() throws {
      let patch = network.inputShape.dropFirst(2).reduce(1, *)
      let channels = network.outputShape[1]
      for sample in 0..<network.inputShape[0] {
        for channel in 0..<channels {
          for index in 0..<patch {
            let place = network.isChannelsLast ? index * channels + channel : channel * patch + index
            output[sample * channels * patch + place] = network.formula(
              channel, input[sample * network.inputShape[1] * patch + index], index)
          }
        }
      }
    }

    func wait() throws -> UnsafeBufferPointer<Float> { UnsafeBufferPointer(output) }
  }
}
