import Checkpoints
import Networks
import TestSupport
import Testing

@testable import Engines

/// On a graphics processor, where there is one. Factors of convolutions are rounded to ten bits there, also in fp32, and
/// so are those of half precision; the tolerances follow from that and a few layers.
@Suite(.enabled(if: InstalledTorch.graphicsProcessor != nil, InstalledTorch.noGraphicsProcessor))
struct TorchDeviceTests {
  private let engine: TorchEngine
  private let device: String

  init() throws {
    engine = try InstalledTorch.require()
    device = try #require(InstalledTorch.graphicsProcessor)
  }

  @Test(arguments: GoldenNetwork.all, [Precision.fp32, .fp16]) func answersAsPyTorch(
    golden: GoldenNetwork, precision: Precision
  ) throws {
    let result = try run(
      golden.network, inputShape: golden.inputShape, on: engine, precision: precision, device: device)
    #expect(result.shape == golden.outputShape)
    let scale = max(1, golden.output.map(abs).max() ?? 1)
    #expect(largestDifference(result.values, golden.output) < 2e-2 * scale)
  }

  @Test(arguments: GradientCase.all, [Precision.fp32, .bf16]) func gradientsAreTheReference(
    example: GradientCase, precision: Precision
  ) throws {
    let expected = try example.gradients(on: ReferenceEngine())
    let computed = try example.gradients(on: engine, options: CompileOptions(device: device, precision: precision))
    #expect(computed.keys.sorted() == expected.keys.sorted())
    for (name, gradient) in expected {
      let values = gradient.floats()
      let scale = max(1, values.map(abs).max() ?? 1)
      let tolerance: Float = precision == .fp32 ? 2e-2 : 0.1
      #expect(largestDifference(try #require(computed[name]).floats(), values) < tolerance * scale, "\(name)")
    }
  }
}
