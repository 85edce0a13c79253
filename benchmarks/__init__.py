"""What the pipeline and the queries cost, beside what nothing could be quicker than; see README.md.

python -m benchmarks.pipeline --export DIR
python -m benchmarks.serve --index DIR
python -m benchmarks.soak --index DIR --minutes 20
"""
