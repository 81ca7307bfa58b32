import Basics
import Imaging
import NNUNet
import Synchronization

extension TrainingRun {
  /// Opens preprocessed cases, each once and on all cores, and looks whether they were made for the plans.
  ///
  /// Throws `missingInput`, and `badInput` for damaged cases and those of other plans: for the first of them.
  func open(_ identifiers: [String]) throws -> [any PreprocessedCase] {
    let names = Array(Set(identifiers))
    let opened = Mutex<[String: Result<any PreprocessedCase, Failure>]>([:])
    Parallel.forEach(names.count) { index in
      let result: Result<any PreprocessedCase, Failure>
      do {
        let data = try cases.open(names[index])
        try check(data)
        result = .success(data)
      } catch {
        result = .failure(Failure(wrapping: error))
      }
      opened.withLock { $0[names[index]] = result }
    }
    let found = opened.withLock { $0 }
    return try identifiers.map { identifier in
      guard let data = try found[identifier]?.get() else {
        throw Failure(.internalError, "\(identifier) was not opened")
      }
      return data
    }
  }

  /// Opens the cases that train and those that judge, which may be the same.
  func open(
    _ split: CrossValidation.Split
  ) throws -> (training: [any PreprocessedCase], validation: [any PreprocessedCase]) {
    let all = try open(split.train + split.validation)
    return (Array(all.prefix(split.train.count)), Array(all.dropFirst(split.train.count)))
  }

  /// A fold beyond those of the file is no mistake for nnU-Net, but mostly one for the user.
  func warnOfRandomSplit(_ report: (TrainingEvent) -> Void) {
    let path = Path.join(datasetFolder, CrossValidation.fileName)
    guard let fold = Int(options.fold), let count = (try? CrossValidation.read(path))?.count, fold >= count else {
      return
    }
    report(
      .warning("\(path) has \(count) folds, so fold \(fold) is a random split: 80 % of the cases train, 20 % judge"))
  }

  func warnOfSharedCases(_ report: (TrainingEvent) -> Void) {
    guard options.fold != "all" else { return }
    let shared = Set(split.train).intersection(split.validation).count
    guard shared > 0 else { return }
    let path = Path.join(datasetFolder, CrossValidation.fileName)
    report(.warning("fold \(options.fold) of \(path) has \(shared) case(s) that train and judge"))
  }

  private func check(_ data: any PreprocessedCase) throws {
    let path = Path.join(cases.path, data.identifier)
    let advice =
      "run: microtome preprocess -d \(options.dataset) -plans_name \(options.plans) -c \(options.configuration)"
    guard data.channelCount == task.dataset.channelCount else {
      throw Failure(
        .badInput, "has \(data.channelCount) channel(s), dataset.json names \(task.dataset.channelCount)", file: path,
        hint: "the folder was made from another version of the dataset; \(advice)")
    }
    guard task.configuration.imageResampling.method != .none else { return }
    let record = data.properties.record
    let expected = try record.cropBox.shape.resampled(from: record.spacing, to: record.networkSpacing)
    // Rounding may differ by a voxel between versions.
    guard zip(expected.axes, data.shape.axes).allSatisfy({ abs($0 - $1) <= 1 }) else {
      throw Failure(
        .badInput, "has \(data.shape) voxels, but \(options.plans) ask for \(expected)", file: path,
        hint: "the folder was preprocessed with other plans; \(advice)")
    }
  }
}
