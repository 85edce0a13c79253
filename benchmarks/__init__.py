"""Measure what the pipeline and the queries cost, beside their floors; see README.md.

python -m benchmarks.pipeline --export DIR
python -m benchmarks.serve --index DIR
python -m benchmarks.crowd --index DIR --minutes 10
python -m benchmarks.soak --index DIR --minutes 20
"""
