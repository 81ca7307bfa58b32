import Basics
import Dispatch

/// An image and the answers to it; everything in between lies in the workspace of whoever runs the pass.
final class NativeRequest: InferenceRequest, @unchecked Sendable {
  let input: UnsafeMutableBufferPointer<Float>

  private let network: NativeNetwork
  private let image: AlignedFloats
  private let results: [AlignedFloats]
  private let done = DispatchSemaphore(value: 0)
  private var isRunning = false

  init(_ network: NativeNetwork) {
    self.network = network
    image = AlignedFloats(count: network.inputShape.reduce(1, *))
    input = image.values
    results = network.outputShapes.map { AlignedFloats(count: $0.reduce(1, *)) }
  }

  func start() throws {
    isRunning = true
    // An abandoned pass keeps its memory until it ends.
    network.start { [self] workspace in
      let samples = network.inputShape[0]
      for sample in 0..<samples {
        guard let image = image.address?.advanced(by: sample * image.values.count / samples) else { continue }
        let targets = results.compactMap { $0.address?.advanced(by: sample * $0.values.count / samples) }
        workspace.run(image, into: targets, isChannelsLast: network.isChannelsLast)
      }
      done.signal()
    }
  }

  func wait() throws -> UnsafeBufferPointer<Float> {
    if isRunning { done.wait() }
    isRunning = false
    return UnsafeBufferPointer(results[0].values)
  }

  func output(_ index: Int) throws -> UnsafeBufferPointer<Float> {
    guard results.indices.contains(index) else {
      throw Failure(.internalError, "the network has no output \(index)")
    }
    _ = try wait()
    return UnsafeBufferPointer(results[index].values)
  }
}
