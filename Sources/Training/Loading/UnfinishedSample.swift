import Imaging

/// A sample as it was cut from its case, with what is still to be done to it on a device.
final class UnfinishedSample {
  /// What was cut: the image, and the labels, -1 outside of the case.
  let cut: SampleWorkspace.Sample
  /// Of what was cut, (Z, Y, X).
  var shape = Shape3D(0, 0, 0)
  /// How the patch lies in it; nil where it is the patch.
  var rows: SpatialTransform.Rows?
  var steps: [IntensityStep] = []
  /// Whether channels that are masked are 0 outside.
  var masksImage = false
  /// Axes (Z, Y, X) that are mirrored.
  var mirrored = [false, false, false]

  private let noises: ScratchBuffer<Float>

  /// - Parameter pinned: makes the memory of arrays, where there is any for a device to read.
  init(pinned: PinnedMemorySource? = nil) {
    cut = SampleWorkspace.Sample(pinned: pinned)
    noises = ScratchBuffer(0, pinned: pinned)
  }

  /// What the step of noise adds, (C, Z, Y, X) of the patch. Only where there is such a step.
  func noise(_ count: Int) -> UnsafeMutablePointer<Float> { noises.reserve(count) }
}
