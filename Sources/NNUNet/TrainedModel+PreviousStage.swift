import Basics
import ImageFormats
import Imaging

extension TrainedModel {
  /// The segmentation of a case by the first stage of a cascade, on the image's own grid.
  ///
  /// - Parameters:
  ///   - folder: with one segmentation for each case.
  ///   - shape: the image's.
  /// - Throws: `badInput` when it has another shape, and what reading throws.
  func previousSegmentation(of files: CaseFiles, in folder: String, shape: Shape3D) throws -> Volume<Float> {
    let path = Path.join(folder, files.identifier + dataset.fileEnding)
    let segmentation = try plans.reader.read([path]).voxels
    guard segmentation.shape == shape, segmentation.channels == 1 else {
      throw Failure(
        .badInput, "the previous stage's segmentation has \(segmentation.shape) voxels, the image has \(shape)",
        file: path)
    }
    return segmentation
  }
}
