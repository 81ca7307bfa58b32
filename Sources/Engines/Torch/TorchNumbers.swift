import Basics
import Synchronization

/// Single numbers as tensors on a device, for operators that take tensors only. They stay there: to copy one takes longer
/// than many an operator.
final class TorchNumbers: Sendable {
  let library: TorchLibrary
  let device: TorchDevice
  private let known = Mutex<[Key: Known]>([:])

  private struct Key: Hashable {
    var value: Float
    var element: TorchElement
  }

  /// Nobody writes to the tensor.
  private struct Known: @unchecked Sendable {
    let tensor: TorchTensor
  }

  init(_ library: TorchLibrary, _ device: TorchDevice) {
    self.library = library
    self.device = device
  }

  /// - Returns: a tensor of one axis.
  func tensor(_ value: Double, _ element: TorchElement = .float32) throws -> TorchTensor {
    let key = Key(value: Float(value), element: element)
    return try known.withLock { known in
      if let found = known[key] { return found }
      // Numbers of training steps are new in every step.
      if known.count >= 256 { known = [:] }
      let new = Known(tensor: try library.empty([1], element: element, on: device))
      try withUnsafePointer(to: key.value) { try library.fill(new.tensor, from: $0, on: device) }
      known[key] = new
      return new
    }.tensor
  }
}
