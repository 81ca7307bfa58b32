import Imaging

/// A sample as it was cut from its case, with what is still to be done to it on a device.
final class UnfinishedSample {
  /// Of what was cut, (Z, Y, X).
  var shape = Shape3D(0, 0, 0)
  /// How the patch lies in it; nil where it is the patch.
  var rows: SpatialTransform.Rows?
  var steps: [IntensityStep] = []
  /// Axes (Z, Y, X) that are mirrored.
  var mirrored = [false, false, false]

  private let images = ScratchBuffer<Float>(0)
  private let marks = ScratchBuffer<Int16>(0)
  private let noises = ScratchBuffer<Float>(0)

  /// (C, Z, Y, X)
  func image(_ count: Int) -> UnsafeMutablePointer<Float> { images.reserve(count) }
  /// (Z, Y, X); -1 outside of the case.
  func labels(_ count: Int) -> UnsafeMutablePointer<Int16> { marks.reserve(count) }
  /// The sum of all noise, (C, Z, Y, X) of the patch. Only where `steps` have noise.
  func noise(_ count: Int) -> UnsafeMutablePointer<Float> { noises.reserve(count) }
}
